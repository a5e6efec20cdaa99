import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CaptionFile, captionKey } from '../../lib/captioner/caption-file.js';
import type { Caption, CaptionedPhoto } from '../../lib/captioner/captioner.js';
import { CaptionerError } from '../../lib/errors.js';
import { saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

const caption = (text: string): Caption => ({
  caption: text,
  logProbability: -1.5,
  probability: Math.exp(-1.5),
  confidence: null,
  words: [],
});
const captioned = (file: string): CaptionedPhoto => ({ file, captions: [caption(`a photo of ${file}`)] });
const failed = (file: string, message = 'It is damaged.'): CaptionedPhoto => ({
  file,
  captions: [],
  error: new CaptionerError('bad-image', message),
});

describe('a caption file', () => {
  let folder: string;
  let place: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    place = path.join(folder, 'deep', 'captions.jsonl');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  function add(photos: readonly CaptionedPhoto[], key = 'k1'): { had: boolean[]; size: number; added: number } {
    const file = CaptionFile.open(place, key);
    const had = photos.map((photo) => file.has(photo.file));
    for (const photo of photos) if (!file.has(photo.file)) file.add(photo);
    const { size, added } = file;
    file.close();
    return { had, size, added };
  }
  const lines = () => fs.readFileSync(place, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line) as { file: string; key: string }); // prettier-ignore

  it('has a line for each photo, once for each key', () => {
    expect(add([captioned('a.jpg'), captioned('ö "b".jpg')])).to.deep.equal({ had: [false, false], size: 2, added: 2 });
    expect(add([captioned('a.jpg'), captioned('c.jpg')])).to.deep.equal({ had: [true, false], size: 3, added: 1 });
    expect(lines()[0]).to.deep.equal({
      file: 'a.jpg',
      captions: [{ caption: 'a photo of a.jpg', logProbability: -1.5, probability: Math.exp(-1.5), confidence: null }],
      key: 'k1',
    });
    expect(add([captioned('a.jpg')], 'k2')).to.deep.equal({ had: [false], size: 1, added: 1 });
    expect(lines().map(({ file, key }) => `${file} ${key}`)).to.deep.equal([
      'a.jpg k1',
      'ö "b".jpg k1',
      'c.jpg k1',
      'a.jpg k2',
    ]);
    expect(fs.readdirSync(path.dirname(place))).to.deep.equal(['captions.jsonl']);
  });

  it('tries failed photos again, and does not repeat a known error', () => {
    expect(add([failed('a.jpg')]).added).to.equal(0);
    expect(add([failed('a.jpg')]).had).to.deep.equal([false]);
    expect(lines()).to.have.length(1);
    add([failed('a.jpg', 'It is empty.')]);
    add([captioned('a.jpg')]);
    expect(lines()).to.have.length(3);
    expect(add([captioned('a.jpg')]).had).to.deep.equal([true]);
  });

  it('is complete after a kill at any of many bytes', () => {
    const photos = ['a.jpg', 'ö.jpg', 'c.jpg'].map(captioned);
    add(photos);
    const whole = fs.readFileSync(place);
    for (let bytes = 0; bytes <= whole.length; bytes += 7) {
      fs.writeFileSync(place, whole.subarray(0, bytes));
      const ends = whole.subarray(0, bytes).filter((byte) => byte === 0x0a).length;
      expect(add(photos).added, `after ${bytes} bytes`).to.equal(3 - ends);
      expect(fs.readFileSync(place).equals(whole)).to.be.true;
    }
  });

  it('is read in chunks, whatever its length', () => {
    const photos = Array.from({ length: 3000 }, (_, i) => captioned(`${'ö'.repeat(20)}/${i}.jpg`));
    add(photos);
    expect(fs.statSync(place).size).to.be.above(2 ** 18);
    expect(add(photos)).to.deep.include({ size: 3000, added: 0 });
  });

  it('refuses a file that it did not write, and a second writer', () => {
    add([captioned('a.jpg')]);
    fs.appendFileSync(place, '{"file": "b.jpg"}\n');
    expect(() => CaptionFile.open(place, 'k1')).to.throw(
      CaptionerError,
      /Line 2 of .*captions\.jsonl was not written by/,
    );
    fs.writeFileSync(place, '');
    const first = CaptionFile.open(place, 'k1');
    expect(() => CaptionFile.open(place, 'k1')).to.throw(CaptionerError, /Another process .* is writing to/);
    first.close();
    CaptionFile.open(place, 'k1').close();
  });

  it('distinguishes captioners and searches', async () => {
    const at = (name: string) => path.join(folder, name);
    await saveTinyCaptioner(at('one'));
    await saveTinyCaptioner(at('two'), 4);
    const key = captionKey(at('one'), {});
    expect(key).to.match(/^[0-9a-f]{12}$/);
    fs.renameSync(at('one'), at('moved'));
    // The defaults, said or not, are the same search.
    expect(captionKey(at('moved'), { beam: 3, n: 1 })).to.equal(key);
    const others = [captionKey(at('two')), captionKey([at('moved'), at('two')]), captionKey(at('moved'), { beam: 4 })];
    others.push(captionKey(at('moved'), {}, { precision: 'int8' }));
    expect(captionKey(at('moved'), {}, { precision: 'fp32' })).to.equal(key);
    expect(new Set([key, ...others]).size).to.equal(5);
  });
});
