import * as tf from '@tensorflow/tfjs';
import { expect } from 'chai';
import { useBackend } from '../../../lib/backend/index.js';
import { CaptionerError } from '../../../lib/errors.js';
import { ConvNet } from '../../../lib/model/encoder/convnet.js';
import { readEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { describeEncoder } from '../../../lib/model/encoder/encoder-source.js';
import { exportConvNet } from '../../../lib/model/encoder/export-convnet.js';
import { storeWeights } from '../../../lib/onnx/weight-storage.js';
import { importConvNet } from '../../../lib/model/encoder/import-convnet.js';
import { Random } from '../../../lib/random.js';
import { decodeModel, encodeModel } from '../../../lib/onnx/protobuf.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';

const { InferenceSession, Tensor } = onnxRuntime();

const size = 64;
const config = { width: 4, blocks: 1 };

/** Made-up photos, [N, 3, S, S]. */
function photos(n: number, seed: number): Float32Array {
  const random = new Random(seed);
  return Float32Array.from({ length: n * 3 * size * size }, () => random.normal());
}

const onnxFeatures = async (model: Uint8Array, input: Float32Array) => {
  const session = await InferenceSession.create(model);
  const n = input.length / (3 * size * size);
  const { features } = await session.run({ input: new Tensor('float32', input, [n, 3, size, size]) });
  await session.release();
  return features.data as Float32Array;
};

const largest = (a: ArrayLike<number>, b: ArrayLike<number>) =>
  Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));

describe('ConvNet', () => {
  let network: ConvNet;

  before(async () => {
    await useBackend('onnx');
    const random = new Random(4);
    network = new ConvNet(config, 5, { random });
    // As after some training: no scale, shift or statistic is what it began as.
    for (const [name, variable] of Object.entries(network.variables)) {
      if (/scale|variance|std/.test(name))
        variable.assign(
          tf.tensor(
            variable.dataSync().map(() => 0.5 + random.uniform()),
            variable.shape,
          ),
        );
      if (/shift|mean|bias|offset/.test(name))
        variable.assign(
          tf.tensor(
            variable.dataSync().map(() => random.normal()),
            variable.shape,
          ),
        );
    }
  });
  after(() => {
    network.dispose();
  });

  it('goes down to a thirty-second of the resolution, and gives a row of features for each photo', () => {
    const features = tf.tidy(() => network.learn(tf.tensor4d(photos(3, 1), [3, 3, size, size])));
    expect(features.shape).to.deep.equal([3, 5]);
    features.dispose();
  });

  it('updates the running statistics with those of the batch', () => {
    const mean = network.variables['stem/a/mean'];
    const before = mean.dataSync().slice();
    const kernel = network.variables['stem/a/kernel'] as tf.Tensor4D;
    const x = tf.tensor4d(photos(8, 2), [8, 3, size, size]);
    const batch = tf.tidy(() => tf.mean(tf.conv2d(x, kernel, 4, 3, 'NCHW'), [0, 2, 3]).dataSync());
    tf.tidy(() => network.learn(x));
    const expected = before.map((value, c) => 0.98 * value + 0.02 * batch[c]);
    expect(largest(mean.dataSync(), expected)).to.be.below(1e-5);
    x.dispose();
  });

  it('as an ONNX file is the network with its running statistics and the units of its teacher', async () => {
    const model = exportConvNet(network, 'small', size);
    expect(readEncoderMetadata(model, 'small')).to.include({ name: 'small', inputSize: size, dimension: 5 });
    const input = photos(2, 3);
    expect(largest(await onnxFeatures(model, input), reference(network, input, 2))).to.be.below(1e-3);
  });

  it('gives the map that its features are averages of', async () => {
    const session = await InferenceSession.create(exportConvNet(network, 'small', size));
    const { map, features } = await session.run({ input: new Tensor('float32', photos(2, 3), [2, 3, size, size]) });
    await session.release();
    const values = map.data as Float32Array;
    const means = Array.from({ length: 10 }, (_, i) =>
      values.subarray(4 * i, 4 * i + 4).reduce((sum, x) => sum + x / 4, 0),
    );
    expect(largest(means, features.data as Float32Array)).to.be.below(1e-4);
    expect(map.dims).to.deep.equal([2, 5, 2, 2]);
    // ReLU ends at the offset of each feature.
    const offset = network.variables['head/offset'].dataSync();
    Array.from(values).forEach((x, i) => expect(x).to.be.at.least(offset[Math.floor(i / 4) % 5]));
  });

  it('gives a photo the same features alone and among others', async () => {
    const model = exportConvNet(network, 'small', size);
    const input = photos(4, 5);
    const together = await onnxFeatures(model, input);
    const third = await onnxFeatures(model, input.slice(2 * 3 * size * size, 3 * 3 * size * size));
    expect(largest(together.subarray(10, 15), third)).to.be.below(1e-4);
  });

  it('keeps its features in half precision, in about half the bytes', async () => {
    const model = exportConvNet(network, 'small', size);
    const halved = storeWeights(model, 'fp16');
    const input = photos(2, 6);
    const whole = await onnxFeatures(model, input);
    const scale = Math.max(...whole.map(Math.abs));
    expect(largest(await onnxFeatures(halved, input), whole)).to.be.within(1e-9, 5e-3 * scale);
    expect(halved.length).to.be.below(0.75 * model.length);
    expect(readEncoderMetadata(halved, 'small')).to.include({ name: 'small' });
  });

  it('keeps its features nearly with weights in 8 bits, whether they had 32 or 16 before, and trains on from them', async () => {
    const model = exportConvNet(network, 'small', size);
    const input = photos(2, 6);
    const whole = await onnxFeatures(model, input);
    const scale = Math.max(...whole.map(Math.abs));
    for (const former of [model, storeWeights(model, 'fp16')]) {
      const quarter = storeWeights(former, 'int8');
      const features = await onnxFeatures(quarter, input);
      expect(largest(features, whole)).to.be.within(1e-9, 0.05 * scale);
      expect(quarter.length).to.be.below(0.6 * model.length);
      expect(storeWeights(quarter, 'int8').length, 'a second time').to.equal(quarter.length);
      const { network: read, dimension, weights } = importConvNet(describeEncoder(quarter, 'small.onnx'));
      const copy = new ConvNet(read, dimension, { given: weights(new Float32Array(5).fill(1)) });
      expect(copy.variables).to.have.all.keys(Object.keys(network.variables));
    }
  });

  it('is read back from its file with its statistics, and computes the same', async () => {
    const model = exportConvNet(network, 'small', size);
    const {
      network: read,
      dimension,
      weights,
    } = importConvNet(describeEncoder(storeWeights(model, 'fp16'), 'small.onnx'));
    expect(read).to.deep.equal({ ...config, inputSize: size });
    expect(dimension).to.equal(5);
    const [mean, std] = ['mean', 'std'].map((name) =>
      network.variables[`features/${name}`].dataSync<'float32'>().slice(),
    );
    const given = weights(std).set('features/mean', mean).set('features/std', std);
    const copy = new ConvNet(read, dimension, { given });
    const input = photos(3, 5);
    const expected = await onnxFeatures(model, input);
    const scale = Math.max(...expected.map(Math.abs));
    const difference = async () =>
      largest(await onnxFeatures(exportConvNet(copy, 'copy', size), input), expected) / scale;
    expect(await difference()).to.be.below(0.01); // 16 bits
    const shown = tf.tensor4d(photos(16, 6), [16, 3, size, size]);
    copy.calibrate(shown);
    expect(await difference()).to.be.below(0.01);
    // Now its normalisations have the statistics of these photos: learning from them begins with the features that it gives.
    const [learned, exported] = [
      tf.tidy(() => tf.add(tf.mul(copy.learn(shown), std), mean).dataSync<'float32'>()),
      await onnxFeatures(exportConvNet(copy, 'copy', size), shown.dataSync<'float32'>()),
    ];
    expect(largest(learned, exported) / scale).to.be.below(0.01);
    shown.dispose();
    copy.dispose();
  });

  it('refuses the file of an earlier version, whose head followed the mean', () => {
    const other = describeEncoder(exportConvNet(network, 'small', size), 'old.onnx');
    const { graph, ...model } = decodeModel(other.bytes);
    for (const tensor of graph.initializer ?? []) {
      if (tensor.name === 'head/kernel') tensor.dims = [5, 32];
    }
    expect(() => importConvNet({ ...other, bytes: encodeModel({ ...model, graph }) }))
      .to.throw(CaptionerError, 'old.onnx was made by an earlier version')
      .with.property('code', 'mismatch');
  });

  it('refuses the file of another network', () => {
    const other = describeEncoder(exportConvNet(network, 'small', size), 'other.onnx');
    const renamed = Buffer.from(other.bytes)
      .toString('latin1')
      .replaceAll('stage1/block0/b/kernel', 'stage1/block0/b/kernal');
    expect(() => importConvNet({ ...other, bytes: Buffer.from(renamed, 'latin1') }))
      .to.throw(CaptionerError, "it has no 'stage1/block0/b/kernel'")
      .with.property('code', 'mismatch');
  });
});

/** The network in use, written down once more with TensorFlow.js' own batch normalisation, channels last. */
function reference({ variables: v }: ConvNet, input: Float32Array, n: number): Float32Array {
  return tf.tidy(() => {
    const layer = (x: tf.Tensor4D, name: string, stride: number) => {
      const kernel = v[`${name}/kernel`] as tf.Tensor4D;
      const side = (kernel.shape[0] - 1) / 2;
      const padded = tf.pad(x, [[0, 0], [side, side], [side, side], [0, 0]]); // prettier-ignore
      const part = (of: string) => v[`${name}/${of}`] as tf.Tensor1D;
      const convolved = tf.conv2d(padded, kernel, stride, 'valid');
      return tf.batchNorm(convolved, part('mean'), part('variance'), part('shift'), part('scale'), 1e-5);
    };
    let x = tf.transpose<tf.Tensor4D>(tf.tensor4d(input, [n, 3, size, size]), [0, 2, 3, 1]);
    x = tf.relu(layer(tf.relu(layer(x, 'stem/a', 4)), 'stem/b', 1));
    for (let stage = 0; stage < 3; stage++) {
      x = tf.relu(layer(x, `stage${stage}/down`, 2));
      const block = `stage${stage}/block0`;
      const y = layer(tf.relu(layer(x, `${block}/a`, 1)), `${block}/b`, 1);
      x = tf.relu(tf.add<tf.Tensor4D>(x, y));
    }
    const z = tf.add(tf.conv2d(x, v['head/kernel'] as tf.Tensor4D, 1, 'same'), v['head/bias']);
    const map = tf.add(tf.mul(tf.relu(z), v['features/std']), v['head/offset']);
    return tf.mean(map, [1, 2]).dataSync<'float32'>();
  });
}
