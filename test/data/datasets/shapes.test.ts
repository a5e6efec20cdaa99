import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { HistogramEncoder } from '../../../lib/data/features/histogram-encoder.js';
import { shapesDataset } from '../../../lib/data/datasets/shapes.js';
import { decodePhoto } from '../../../lib/images/photo.js';
import { openSamples } from '../../../lib/lesson.js';
import { cosine } from '../../../lib/viz.js';

describe('the data set of shapes', () => {
  let folder: string;
  before(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it('has five captions for each photo, in splits, the same ones for the same seed', async () => {
    const first = await shapesDataset(path.join(folder, 'a'), { photos: 40, seed: 3 });
    const again = await shapesDataset(path.join(folder, 'b'), { photos: 40, seed: 3 });
    const other = await shapesDataset(path.join(folder, 'c'), { photos: 40, seed: 4 });
    expect(first.photos).to.have.length(40);
    expect(first.problems).to.deep.equal([]);
    for (const { captions } of first.photos) expect(captions).to.have.length(5);
    const count = (split: string) => first.photos.filter((photo) => photo.split === split).length;
    expect([count('train'), count('dev'), count('test')]).to.deep.equal([32, 4, 4]);
    const texts = (manifest: typeof first) => manifest.photos.map(({ captions }) => captions);
    expect(texts(again)).to.deep.equal(texts(first));
    expect(texts(other)).not.to.deep.equal(texts(first));
    expect(await shapesDataset(path.join(folder, 'a'), { photos: 40, seed: 3 })).to.deep.equal(first);
  });

  it('describes the picture: the colour of the shape in the middle', async () => {
    const { photos } = await shapesDataset(path.join(folder, 'a'), { photos: 40, seed: 3 });
    const single = photos.filter(({ captions }) => / in the middle/.test(captions.join(' ')));
    expect(single.length).to.be.greaterThan(5);
    const near: Record<string, [number, number, number]> = {
      red: [210, 59, 51],
      blue: [43, 98, 184],
      green: [47, 154, 82],
      yellow: [238, 197, 47],
      purple: [138, 68, 168],
      orange: [239, 138, 43],
    };
    for (const { file, captions } of single) {
      const rgb = await decodePhoto(file, 96);
      const middle = 3 * (48 * 96 + 48);
      const distance = (colour: [number, number, number]) =>
        Math.hypot(...colour.map((value, c) => value - rgb[middle + c]));
      const seen = Object.keys(near).sort((a, b) => distance(near[a]) - distance(near[b]))[0];
      expect(captions.join(' ')).to.contain(seen);
    }
  });
});

describe('HistogramEncoder', () => {
  it('gives pictures of the same colours similar features, and accepts any photo', async () => {
    const encoder = new HistogramEncoder();
    const samples = await openSamples();
    const photos = await Promise.all(samples.photos.map(({ file }) => decodePhoto(file, encoder.inputSize)));
    const features = await encoder.features([photos[0], photos[0], photos[3]]);
    expect(features).to.have.length(3 * encoder.identity.dimension);
    expect(features.every((value) => Number.isFinite(value) && value >= 0)).to.be.true;
    const row = (i: number) => features.subarray(i * encoder.identity.dimension, (i + 1) * encoder.identity.dimension);
    expect(cosine(row(0), row(1))).to.be.closeTo(1, 1e-6);
    expect(cosine(row(0), row(2))).to.be.lessThan(0.95);
  });
});
