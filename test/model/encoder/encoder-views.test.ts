import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import { decodePhoto } from '../../../lib/images/photo.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { Random } from '../../../lib/random.js';
import { channels, resnetLike } from './networks.js';

describe('an encoder of several views', () => {
  const size = 16;
  const places = [[0, 0], [2, 0], [0, 2], [2, 2], [1, 1]]; // prettier-ignore
  let folder: string;
  let file: string;
  let one: Encoder;
  let photos: string[];

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    file = path.join(folder, 'tiny.onnx');
    fs.writeFileSync(file, resnetLike({ size }));
    one = await Encoder.load(file);
    const random = new Random(4);
    photos = Array.from({ length: 5 }, (_, i) => path.join(folder, `${i}.png`));
    for (const photo of photos) {
      const pixels = Uint8Array.from({ length: 3 * 30 * 20 }, () => random.integer(256));
      await sharp(pixels, { raw: { width: 30, height: 20, channels: 3 } }).toFile(photo);
    }
  });
  after(async () => {
    await one.release();
    fs.rmSync(folder, { recursive: true });
  });

  const raw = (pixels: Uint8Array, width: number) => sharp(pixels, { raw: { width, height: width, channels: 3 } });
  const bytes = async (image: Sharp) => new Uint8Array(await image.raw().toBuffer());
  const decoded = (photo: string, side: number) => decodePhoto(photo, side);
  const meanOf = (rows: Float32Array) =>
    Array.from({ length: channels }, (_, d) => {
      const column = rows.filter((__, i) => i % channels === d);
      return column.reduce((sum, value) => sum + value, 0) / column.length;
    });
  /** The features of each photo, by whatever makes the views that the encoder of one view sees. */
  const byHand = async (views: (photo: string) => Promise<Uint8Array[]>) => {
    const means: number[] = [];
    for (const photo of photos) means.push(...meanOf(await one.features(await views(photo))));
    return means;
  };
  const averaged = async (views: 'one' | 'mirror' | 'crops', batchSize?: number) => {
    const encoder = await Encoder.load(file, { views, ...(batchSize !== undefined && { batchSize }) });
    const features = await encoder.features(
      await Promise.all(photos.map((photo) => decodePhoto(photo, encoder.inputSize))),
    );
    const { inputSize, identity } = encoder;
    await encoder.release();
    return { features: [...features], inputSize, identity };
  };
  const expectClose = (actual: readonly number[], expected: readonly number[]) => {
    expect(actual).to.have.length(expected.length);
    expected.forEach((value, i) => expect(actual[i]).to.be.closeTo(value, 1e-5));
  };

  it('gives bit-identical features for a single view', async () => {
    const { features, inputSize, identity } = await averaged('one');
    expect(inputSize).to.equal(size);
    expect(identity).to.deep.equal(one.identity).and.not.to.have.property('views');
    const alone = await one.features(await Promise.all(photos.map((photo) => decoded(photo, size))));
    expect(features).to.deep.equal([...alone]);
  });

  it('gives the mean over a photo and its mirror image', async () => {
    const { features, inputSize, identity } = await averaged('mirror');
    expect(inputSize).to.equal(size);
    expect(identity).to.deep.equal({ ...one.identity, views: 'mirror' });
    const expected = await byHand(async (photo) => {
      const whole = await decoded(photo, size);
      return [whole, await bytes(raw(whole, size).flop())];
    });
    expectClose(features, expected);
    const alone = await one.features(await Promise.all(photos.map((photo) => decoded(photo, size))));
    expect(Math.max(...features.map((value, i) => Math.abs(value - alone[i])))).to.be.above(1e-3);
  });

  it('gives the mean over twelve views that are cut by hand', async () => {
    const { features, inputSize } = await averaged('crops');
    expect(inputSize).to.equal(18);
    const expected = await byHand(async (photo) => {
      const large = await decoded(photo, 18);
      const views = [await decodePhoto(await raw(large, 18).png().toBuffer(), size)];
      for (const [left, top] of places)
        views.push(await bytes(raw(large, 18).extract({ left, top, width: size, height: size })));
      return [...views, ...(await Promise.all(views.map((view) => bytes(raw(view, size).flop()))))];
    });
    expectClose(features, expected);
  });

  it('does so whatever the size of its batches', async () => {
    for (const views of ['mirror', 'crops'] as const) {
      const { features } = await averaged(views);
      for (const batchSize of [1, 5, 64]) expectClose((await averaged(views, batchSize)).features, features);
    }
  });

  it('has the map of the whole photo', async () => {
    const encoder = await Encoder.load(file, { views: 'mirror' });
    const whole = await decoded(photos[0], size);
    expect(await encoder.featureMap([whole])).to.deep.equal(await one.featureMap([whole]));
    await encoder.release();
    const crops = await Encoder.load(file, { views: 'crops' });
    const { shape } = await crops.featureMap([await decoded(photos[0], crops.inputSize)]);
    expect(shape).to.deep.equal([1, channels, size / 2, size / 2]);
    await crops.release();
  });
});
