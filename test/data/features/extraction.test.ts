import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { extractFeatures, type ExtractionRequest, type PhotoEncoder } from '../../../lib/data/features/extraction.js';
import { openFeatures, readSkipped } from '../../../lib/data/features/store.js';
import type { CaptionerError } from '../../../lib/errors.js';
import type { ProgressReporter } from '../../../lib/progress.js';
import { MeanColour } from '../../fixtures/mean-colour.js';

describe('extractFeatures', () => {
  const count = 11;
  let photosFolder: string;
  let folder: string;
  const photos = () =>
    Array.from({ length: count }, (_, i) => ({ id: `${i}.png`, file: path.join(photosFolder, `${i}.png`) }));

  before(async () => {
    photosFolder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    for (const [i, { file }] of photos().entries()) {
      const background = { r: 20 * i, g: 10, b: 255 - i };
      await sharp({ create: { width: 9, height: 7, channels: 3, background } })
        .png()
        .toFile(file);
    }
  });
  after(() => fs.rmSync(photosFolder, { recursive: true }));
  beforeEach(() => (folder = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-')), 'features')));
  afterEach(() => fs.rmSync(path.dirname(folder), { recursive: true }));

  const extract = (encoder: PhotoEncoder, request: Partial<ExtractionRequest> = {}) =>
    extractFeatures({ manifest: { photos: photos() }, encoder, folder, config: { batchSize: 4 }, ...request });
  const contents = () =>
    ['features.bin', 'index.jsonl'].map((name) => fs.readFileSync(path.join(folder, name), 'latin1'));

  async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
    return await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as CaptionerError,
    );
  }

  it('stores the features of all photos, in their order, in batches', async () => {
    const encoder = new MeanColour();
    const report = await extract(encoder);
    expect(report).to.deep.include({ stored: count, added: count, skipped: [] });
    expect(encoder.batches).to.deep.equal([4, 4, 3]);
    const store = openFeatures(folder);
    expect(store.ids).to.deep.equal(photos().map(({ id }) => id));
    expect(store.encoder).to.deep.equal(encoder.identity);
    store.ids.forEach((id, i) => expect([...store.read(id)]).to.deep.equal([20 * i, 10, 255 - i]));
    store.close();
  });

  it('writes the same for any batch size and any number of photos decoded ahead', async () => {
    await extract(new MeanColour());
    const expected = contents();
    for (const [batchSize, lookahead] of [
      [1, 1],
      [3, 2],
      [64, 100],
    ]) {
      fs.rmSync(folder, { recursive: true });
      await extract(new MeanColour(), { config: { batchSize }, lookahead });
      expect(contents()).to.deep.equal(expected);
    }
  });

  it('skips and reports photos that it cannot decode, and tries them again the next time', async () => {
    const broken = photos();
    broken[2] = { id: '2.png', file: path.join(photosFolder, 'missing.png') };
    broken[5] = { id: '5.png', file: path.join(photosFolder, 'text.png') };
    fs.writeFileSync(broken[5].file, 'this is text');
    const report = await extract(new MeanColour(), { manifest: { photos: broken } });
    expect(report).to.include({ stored: 9, added: 9 });
    expect(report.skipped.map(({ id }) => id)).to.deep.equal(['2.png', '5.png']);
    expect(report.skipped[0].reason).to.contain('There is no photo').and.contain('missing.png');
    expect(report.skipped[1].reason).to.contain('text.png is not a photo');
    expect(readSkipped(folder).map(({ id }) => id)).to.deep.equal(['2.png', '5.png']);

    const encoder = new MeanColour();
    broken[2] = photos()[2];
    const again = await extract(encoder, { manifest: { photos: broken } });
    expect(encoder.seen).to.equal(1);
    expect(again).to.include({ stored: 10, added: 1 });
    expect(again.skipped.map(({ id }) => id)).to.deep.equal(['5.png']);
    expect(readSkipped(folder).map(({ id }) => id)).to.deep.equal(['5.png']);
  });

  it('completes a store, and computes nothing twice', async () => {
    await extract(new MeanColour(), { manifest: { photos: photos().slice(0, 6) } });
    const encoder = new MeanColour();
    expect(await extract(encoder)).to.include({ stored: count, added: 5 });
    expect(encoder.seen).to.equal(5);
    const third = new MeanColour();
    expect(await extract(third)).to.include({ stored: count, added: 0 });
    expect(third.seen).to.equal(0);
  });

  it('stops on request, keeps its results, and resumes to the same result', async () => {
    await extract(new MeanColour());
    const expected = contents();
    fs.rmSync(folder, { recursive: true });
    const controller = new AbortController();
    const encoder = new MeanColour();
    encoder.onBatch = () => controller.abort();
    const error = await failure(extract(encoder, { signal: controller.signal }));
    expect(error.code).to.equal('interrupted');
    expect(error.message)
      .to.match(/Stopped after \d+ of 11 photos/)
      .and.contain(folder);
    const store = openFeatures(folder);
    expect(store.ids.length).to.be.within(4, 8);
    store.close();
    await extract(new MeanColour());
    expect(contents()).to.deep.equal(expected);
  });

  it('leaves a good store behind when the encoder fails', async () => {
    const encoder = new MeanColour();
    encoder.onBatch = () => {
      if (encoder.batches.length === 2) throw new Error('out of memory');
    };
    expect((await failure(extract(encoder))).message).to.equal('out of memory');
    expect(openFeatures(folder).ids).to.have.length(4);
    expect(await extract(new MeanColour())).to.include({ stored: count, added: 7 });
  });

  it('refuses photos that share an id, and features of another precision', async () => {
    const twice = [...photos(), photos()[0]];
    expect(await failure(extract(new MeanColour(), { manifest: { photos: twice } }))).to.include({ code: 'bad-input' });
    await extract(new MeanColour());
    const error = await failure(extract(new MeanColour(), { config: { storage: 'fp16' } }));
    expect(error.code).to.equal('mismatch');
  });

  it('reports its progress, including stored and skipped photos', async () => {
    await extract(new MeanColour(), { manifest: { photos: photos().slice(0, 3) } });
    const calls: unknown[] = [];
    const progress: ProgressReporter = {
      start: (...call) => calls.push(call),
      update: (done, note) => calls.push(note === undefined ? done : `${done}, ${note}`),
      stop: () => calls.push('stop'),
    };
    const some = photos();
    some[3] = { id: '3.png', file: '/nowhere' };
    await extract(new MeanColour(), { manifest: { photos: some }, progress });
    expect(calls).to.deep.equal([
      ['Extracting', 11, 'photos'],
      3,
      '4, 1 skipped',
      '8, 1 skipped',
      '11, 1 skipped',
      'stop',
    ]);
  });
});
