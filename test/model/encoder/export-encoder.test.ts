import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { useBackend } from '../../../lib/backend/index.js';
import { DataType, decodeModel, encodeModel, numbers } from '../../../lib/onnx/protobuf.js';
import { readEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { describeEncoder } from '../../../lib/model/encoder/encoder-source.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { imagenet } from '../../../lib/config.js';
import { exportEncoder } from '../../../lib/model/encoder/export-encoder.js';
import { TrainableEncoder } from '../../../lib/model/encoder/trainable-encoder.js';
import { normalise } from '../../../lib/images/photo.js';
import { Random } from '../../../lib/random.js';
import { expectClose, trainableNetworks } from './trainable-networks.js';

describe('an encoder that was trained further', () => {
  let folder: string;
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await useBackend('cpu');
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const open = (bytes: Uint8Array, name = 'net.onnx') => new TrainableEncoder(describeEncoder(bytes, name));

  /** Changes every weight. */
  function train(encoder: TrainableEncoder): void {
    Object.values(encoder.variables).forEach((variable, i) => {
      variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, 0.2, 'float32', i + 1)));
    });
  }

  const featuresOf = (encoder: TrainableEncoder, photos: readonly Uint8Array[]) => {
    const { inputSize: S, normalisation } = encoder;
    const values = new Float32Array(photos.length * 3 * S * S);
    photos.forEach((photo, i) => normalise(photo, S, normalisation.mean, normalisation.std, values, i * 3 * S * S));
    return tf.tidy(() => encoder.features(tf.tensor4d(values, [photos.length, 3, S, S])).dataSync());
  };

  const photosOf = (size: number) => {
    const random = new Random(4);
    return [0, 1, 2].map(() => Uint8Array.from({ length: 3 * size * size }, () => random.integer(256)));
  };

  for (const [kind, bytes] of Object.entries(trainableNetworks)) {
    it(`gives its new features on ONNX Runtime, and can be trained on: ${kind}`, async () => {
      const encoder = open(bytes);
      const photos = photosOf(encoder.inputSize);
      const before = featuresOf(encoder, photos);
      train(encoder);
      const tuned = featuresOf(encoder, photos);
      expect(Math.max(...tuned.map((x, i) => Math.abs(x - before[i])))).to.be.greaterThan(1e-3);

      const exported = exportEncoder(encoder, 'net-tuned');
      const file = path.join(folder, 'tuned.onnx');
      fs.writeFileSync(file, exported);
      const loaded = await Encoder.load(file);
      expect(loaded.identity).to.include({ name: 'net-tuned', dimension: encoder.dimension });
      expect(loaded.hasFeatureMap).to.equal(encoder.values.map !== undefined);
      expectClose(await loaded.features(photos), tuned);
      await loaded.release();

      const again = open(exported);
      expect(again.values.map !== undefined).to.equal(encoder.values.map !== undefined);
      expect(Buffer.from(exportEncoder(again, 'net-tuned')).equals(exported), 'written again').to.equal(true);
      expect(again.normalisation).to.deep.include({ mean: imagenet.mean });
      expect(Object.keys(again.variables)).to.have.members(Object.keys(encoder.variables));
      expectClose(featuresOf(again, photos), tuned, 1e-6);
      again.dispose();
      encoder.dispose();
    });
  }

  it('is the original file, except for its weights', () => {
    const bytes = trainableNetworks['Conv with a bias'];
    const encoder = open(bytes);
    const before = decodeModel(encoder.model);
    const unchanged = decodeModel(exportEncoder(encoder, 'same'));
    train(encoder);
    const after = decodeModel(exportEncoder(encoder, 'tuned'));
    // What is pooled becomes `map`, and a value that had the name makes room for it.
    const renamed = JSON.stringify(before.graph.node)
      .replaceAll('"photo"', '"input"')
      .replaceAll('"map"', '"map#"')
      .replaceAll('"y"', '"map"');
    expect(JSON.stringify(after.graph.node)).to.equal(renamed);
    const data = (model: typeof after) => model.graph.initializer!.map(({ rawData }) => Buffer.from(rawData!));
    data(unchanged).forEach((values, i) => expect(values.equals(data(before)[i])).to.equal(true));
    data(after).forEach((values, i) => expect(values.equals(data(before)[i])).to.equal(false));
    expect(after.opsetImport).to.deep.equal(before.opsetImport);
    expect(readEncoderMetadata(exportEncoder(encoder, 'tuned'), '')?.name).to.equal('tuned');
  });

  it('keeps a value that had one of the names that it needs', () => {
    const model = decodeModel(trainableNetworks['two dense layers']);
    for (const node of model.graph.node!) {
      node.input = node.input!.map((name) => (name === 'r' ? 'input' : name));
      node.output = node.output!.map((name) => (name === 'r' ? 'input' : name));
    }
    const encoder = open(encodeModel(model));
    const again = open(exportEncoder(encoder, 'tuned'));
    const photos = photosOf(16);
    expectClose(featuresOf(again, photos), featuresOf(encoder, photos), 1e-6);
  });

  it('stores weights that a node made of others in their place', () => {
    const stored = (bytes: Uint8Array, name: string) =>
      decodeModel(bytes).graph.initializer?.find((tensor) => tensor.name === name);
    const exported = exportEncoder(open(trainableNetworks['weights in fp16, cast']), 'tuned');
    expect(stored(exported, 'w16')).to.equal(undefined);
    expect(stored(exported, 'w')?.dataType).to.equal(DataType.float);
    expect(numbers(stored(exported, 'w')?.dims)).to.deep.equal([6, 6, 1, 1]);
    expect(decodeModel(exported).graph.node!.map(({ opType }) => opType)).not.to.include('Cast');
  });
});
