import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../../lib/backend/index.js';
import { batchNormTraining } from '../../../lib/model/encoder/batch-norm.js';
import { Random } from '../../../lib/random.js';

const [N, C, H, W] = [3, 4, 5, 6];

function normal(shape: number[], seed: number, mean = 0): tf.Tensor {
  const random = new Random(7, seed);
  return tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => mean + random.normal()),
    shape,
  );
}

type Inputs = Record<'x' | 'gamma' | 'beta', tf.Tensor>;
const inputs = (): Inputs => ({ x: normal([N, C, H, W], 1, 0.7), gamma: normal([C], 2, 1), beta: normal([C], 3) });

/** The definition, differentiated by TensorFlow.js. */
function byDefinition(x: tf.Tensor, gamma: tf.Tensor, beta: tf.Tensor) {
  const mean = tf.mean(x, [0, 2, 3], true);
  const variance = tf.mean(tf.square(tf.sub(x, mean)), [0, 2, 3], true);
  const [scale, shift] = [gamma, beta].map((t) => tf.reshape(t, [1, C, 1, 1]));
  const normalized = tf.div(tf.sub(x, mean), tf.sqrt(tf.add(variance, 1e-5)));
  return {
    y: tf.add(tf.mul(normalized, scale), shift),
    mean: tf.reshape(mean, [C]),
    variance: tf.reshape(variance, [C]),
  };
}

const closedForm: typeof byDefinition = (x, gamma, beta) =>
  batchNormTraining(x as tf.Tensor4D, gamma as tf.Tensor1D, beta as tf.Tensor1D);

/** Its output, and its gradients when every number of y has its own slope. */
function everything(normalize: typeof byDefinition): (given: Inputs) => Record<string, tf.Tensor> {
  return ({ x, gamma, beta }) => {
    const slopes = normal([N, C, H, W], 4);
    const gradients = tf.grads((a: tf.Tensor, b: tf.Tensor, c: tf.Tensor) =>
      tf.sum(tf.mul(tf.tanh(normalize(a, b, c).y), slopes)),
    )([x, gamma, beta]);
    return { ...normalize(x, gamma, beta), dx: gradients[0], dGamma: gradients[1], dBeta: gradients[2] };
  };
}

const numbers = (tensors: Record<string, tf.Tensor>) =>
  Object.fromEntries(Object.entries(tensors).map(([name, tensor]) => [name, Array.from(tensor.dataSync())]));

describe('batchNormTraining', () => {
  after(() => useBackend('onnx'));

  it('matches the definition and its gradients, eager and compiled', async () => {
    await useBackend('cpu');
    const expected = numbers(everything(byDefinition)(inputs()));
    const results = [numbers(everything(closedForm)(inputs()))];
    await useBackend('onnx');
    results.push(numbers(everything(closedForm)(inputs())));
    const step = compile(everything(closedForm));
    results.push(numbers(await step(inputs())));
    step.dispose();
    for (const actual of results) {
      expect(Object.keys(actual)).to.deep.equal(Object.keys(expected));
      for (const [name, values] of Object.entries(expected)) {
        actual[name].forEach((value, i) => {
          expect(value, `${name} ${i}`).to.be.closeTo(values[i], 2e-5);
        });
      }
    }
  });

  it('finds the variance of large batches whose mean is ten deviations away', async () => {
    await useBackend('onnx');
    const x = normal([16, 2, 48, 48], 5, 10) as tf.Tensor4D;
    const step = compile(({ photos }: { photos: tf.Tensor }) => {
      const { y, variance } = batchNormTraining(photos as tf.Tensor4D, tf.ones([2]), tf.zeros([2]));
      return { variance, mean: tf.mean(y), square: tf.mean(tf.square(y)) };
    });
    const { variance, mean, square } = numbers(await step({ photos: x }));
    step.dispose();
    const expected = Array.from(tf.moments(x, [0, 2, 3]).variance.dataSync());
    expected.forEach((value, i) => {
      expect(variance[i]).to.be.closeTo(value, 1e-3);
    });
    expect(mean[0]).to.be.closeTo(0, 1e-3);
    expect(square[0]).to.be.closeTo(1, 1e-3);
  });

  it('stays finite for a constant channel', async () => {
    await useBackend('onnx');
    const x = tf.fill([N, C, H, W], 3.3) as tf.Tensor4D;
    const { y, variance } = batchNormTraining(x, tf.ones([C]), tf.zeros([C]));
    expect(Math.max(...Array.from(y.dataSync(), Math.abs))).to.be.at.most(0.1);
    expect(Math.min(...variance.dataSync())).to.be.at.least(0);
  });
});
