import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../../lib/backend/index.js';
import { decodeModel, encodeModel } from '../../../lib/onnx/protobuf.js';
import { ConvNetConfig, parseConfig } from '../../../lib/config.js';
import { CaptionerError } from '../../../lib/errors.js';
import { ConvNet } from '../../../lib/model/encoder/convnet.js';
import { describeEncoder, readEncoder } from '../../../lib/model/encoder/encoder-source.js';
import { exportConvNet } from '../../../lib/model/encoder/export-convnet.js';
import { TrainableEncoder } from '../../../lib/model/encoder/trainable-encoder.js';
import { Random } from '../../../lib/random.js';
import { ints, node } from './networks.js';
import { expectClose, expectedFeatures, headless, photosFor, trainableNetworks } from './trainable-networks.js';

describe('a trainable encoder', () => {
  const open = (bytes: Uint8Array, layers = 0) => new TrainableEncoder(describeEncoder(bytes, 'net.onnx'), { layers });
  const featuresOf = (encoder: TrainableEncoder, photos: Float32Array) => {
    const S = encoder.inputSize;
    return tf.tidy(() => encoder.features(tf.tensor4d(photos, [photos.length / (3 * S * S), 3, S, S])).dataSync());
  };

  for (const backend of ['cpu', 'onnx'] as const) {
    describe(`on the backend ${backend}`, () => {
      before(() => useBackend(backend));
      for (const [kind, bytes] of Object.entries(trainableNetworks)) {
        it(`matches ONNX Runtime: ${kind}`, async () => {
          const encoder = open(bytes);
          const photos = photosFor(encoder, 3);
          expectClose(featuresOf(encoder, photos), await expectedFeatures(encoder, photos));
          encoder.dispose();
        });
      }
    });
  }

  for (const [kind, bytes] of Object.entries(trainableNetworks)) {
    it(`has the gradients that differences give: ${kind}`, async () => {
      await useBackend('cpu');
      const model = decodeModel(bytes);
      model.graph.node!.find(({ output }) => output![0] === 'map')!.opType = 'Tanh'; // a Relu's kinks spoil differences
      const encoder = open(encodeModel(model));
      const S = encoder.inputSize;
      const photos = tf.tensor4d(photosFor(encoder, 2), [2, 3, S, S]);
      const mix = tf.randomNormal([2, encoder.dimension], 0, 1, 'float32', 3);
      const loss = () => tf.sum(tf.mul(encoder.features(photos), mix)) as tf.Scalar;
      const { grads } = tf.tidy(() => tf.variableGrads(loss, Object.values(encoder.variables)));
      for (const [name, variable] of Object.entries(encoder.variables)) {
        const start = variable.clone();
        // Along random directions: all places at once. A kink (of Clip, of MaxPool) within the step spoils some of them.
        const errors = [4, 5, 6, 7, 8].map((seed) => {
          const direction = tf.randomNormal(variable.shape, 0, 1, 'float32', seed);
          const slope = tf.tidy(() => tf.sum(tf.mul(grads[variable.name], direction)).dataSync()[0]);
          const at = (h: number) => {
            variable.assign(tf.add(start, tf.mul(direction, h)));
            return tf.tidy(() => loss().dataSync()[0]);
          };
          const h = 3e-4;
          const difference = (at(h) - at(-h)) / (2 * h);
          return Math.abs(slope - difference) / (Math.abs(difference) + 0.1);
        });
        variable.assign(start);
        expect(errors.sort((a, b) => a - b)[1], `${name}: ${errors.join(', ')}`).to.be.below(0.02);
      }
      encoder.dispose();
    });
  }

  it('can be an encoder trained by captioner', async () => {
    await useBackend('onnx');
    const network = new ConvNet(parseConfig(ConvNetConfig, { width: 4, inputSize: 32 }), 5, { random: new Random(1) });
    const bytes = exportConvNet(network, 'student', 32);
    network.dispose();
    const encoder = open(bytes);
    expect(encoder).to.include({ name: 'student', dimension: 5, inputSize: 32 });
    const photos = photosFor(encoder, 2);
    expectClose(featuresOf(encoder, photos), await expectedFeatures(encoder, photos));
    encoder.dispose();
  });

  it('trains only the last layers on request', () => {
    const bytes = trainableNetworks['two dense layers'];
    const trained = (layers: number) =>
      Object.entries(open(bytes, layers).variables)
        .filter(([, variable]) => variable.trainable)
        .map(([name]) => name);
    expect(trained(0)).to.deep.equal(['kernel', 'g', 'c', 'w', 'b']);
    expect(trained(1)).to.deep.equal(['w', 'b']);
    expect(trained(2)).to.deep.equal(['g', 'c', 'w', 'b']);
    expect(open(bytes).layers).to.equal(3);
    expect(() => open(bytes, 4))
      .to.throw(CaptionerError, /has 3 layers: 4 can't be trained/)
      .with.property('code', 'bad-option');
  });

  it('keeps the statistics of batch normalisation', () => {
    expect(Object.keys(open(trainableNetworks.BatchNormalization).variables)).to.deep.equal([
      'kernel',
      'scale',
      'offset',
    ]);
  });

  it('names unsupported operators', () => {
    const bytes = headless([node('Selu', ['map'], 'y')]);
    expect(() => open(bytes))
      .to.throw(CaptionerError, /^net\.onnx can't be trained: the node Selu that gives 'y' is an unsupported operator/)
      .with.property('code', 'unsupported');
    const dilated = headless([node('MaxPool', ['map'], 'y', ints('kernel_shape', [2, 2]), ints('dilations', [2, 2]))]);
    const encoder = open(dilated);
    expect(() => featuresOf(encoder, photosFor(encoder, 1))).to.throw(CaptionerError, /MaxPool .* has dilations/);
  });
});

describe('MobileNetV2 as a trainable encoder', () => {
  const mirror = process.env.CAPTIONER_MIRROR;
  let encoder: TrainableEncoder;

  before(async function () {
    if (mirror === undefined) {
      console.log('    NOT CHECKED: MobileNetV2, which needs CAPTIONER_MIRROR with models/mobilenetv2-features.onnx');
      this.skip();
    }
    await useBackend('onnx');
    encoder = new TrainableEncoder(await readEncoder(path.join(mirror, 'models/mobilenetv2-features.onnx')));
  });
  after(() => encoder?.dispose());

  it('matches ONNX Runtime', async () => {
    expect(encoder).to.include({ layers: 52, dimension: 1280, inputSize: 224 });
    const photos = photosFor(encoder, 2);
    const features = tf.tidy(() => encoder.features(tf.tensor4d(photos, [2, 3, 224, 224])).dataSync());
    expectClose(features, await expectedFeatures(encoder, photos));
  });

  it('has, compiled, the gradients that plain JavaScript computes', async () => {
    const noise = new Random(7); // a small photo: none of its values is so near to a kink of Clip that the two fall apart
    const numbers = (count: number) => Float32Array.from({ length: count }, () => noise.normal());
    const [photos, mix] = [numbers(3 * 32 * 32), numbers(1280)];
    const inputs = () => ({ photos: tf.tensor4d(photos, [1, 3, 32, 32]), mix: tf.tensor2d(mix, [1, 1280]) });
    const gradients = (all: Record<string, tf.Tensor>) => {
      const variables = Object.entries(encoder.variables);
      const loss = () => tf.sum(tf.mul(encoder.features(all.photos as tf.Tensor4D), all.mix)) as tf.Scalar;
      const { grads } = tf.variableGrads(
        loss,
        variables.map(([, variable]) => variable),
      );
      return Object.fromEntries(variables.map(([name, variable]) => [name, grads[variable.name]]));
    };
    const step = compile(gradients);
    const compiled = Object.entries(await step(inputs())).map(([name, g]) => [name, g.dataSync()] as const);
    step.dispose();
    await useBackend('cpu');
    const plain = tf.tidy(() => gradients(inputs()));
    expect(compiled).to.have.length(104);
    for (const [name, gradient] of compiled) expectClose(gradient, plain[name].dataSync());
    await useBackend('onnx');
  });
});
