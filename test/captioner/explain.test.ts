import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { Captioner } from '../../lib/captioner/captioner.js';
import { CaptionerError } from '../../lib/errors.js';
import { explainPhoto } from '../../lib/captioner/explain.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('explainPhoto', () => {
  let folder: string;
  let captioner: Captioner;
  let photo: Buffer;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const tiny = path.join(folder, 'tiny');
    await saveTinyCaptioner(tiny);
    captioner = await Captioner.load(tiny);
    photo = await colouredPhoto([200, 40, 40]);
  });
  after(async () => {
    await captioner.release();
    fs.rmSync(folder, { recursive: true });
  });

  it('is about the caption that the photo gets', async () => {
    const [{ captions }] = await captioner.caption([{ file: 'red', bytes: photo }], { n: 2 });
    const explained = await explainPhoto(captioner, photo, { n: 2 }, { grid: 3, alternatives: 4 });
    expect(explained.captions).to.deep.equal(captions);
    expect(explained.words.map(({ word }) => word)).to.deep.equal([
      ...captions[0].words.map(({ word }) => word),
      '<end>',
    ]);
    for (const [i, { word, probability, alternatives }] of explained.words.entries()) {
      const searched = captions[0].words[i];
      if (searched) expect(probability).to.be.closeTo(searched.probability, 1e-5);
      expect(alternatives).to.have.length(4);
      const among = alternatives.find((alternative) => alternative.word === word);
      if (among) expect(among.probability).to.equal(probability);
      else expect(alternatives[3].probability).to.be.at.least(probability);
    }
    const product = explained.words.reduce((sofar, { probability }) => sofar * probability, 1);
    expect(product).to.be.closeTo(captions[0].probability, 1e-5);
  });

  it('shows the search in words, and a map for each word', async () => {
    const { search, words, occlusion } = await explainPhoto(captioner, photo, { beam: 2 }, { grid: 3 });
    expect(search[0].map(({ parent }) => parent)).to.deep.equal([0, 0]);
    expect(
      search
        .flat()
        .filter(({ finished }) => finished)
        .every(({ word }) => word === '<end>'),
    ).to.equal(true);
    expect(occlusion.grid).to.equal(3);
    expect(occlusion.drops).to.have.length(words.length);
    expect(occlusion.drops.flat(2).some((drop) => Math.abs(drop) > 1e-3)).to.equal(true);
  });

  it('refuses anything but a photo', async () => {
    const error = await explainPhoto(captioner, Buffer.from('no photo')).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-image');
  });
});
