import '@tensorflow/tfjs'; // its cpu backend and its gradients
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { Random } from '../../../lib/random.js';
import { crossEntropy } from '../../../lib/train/decoder/loss.js';

const N = 6;
const V = 5;

function example(scale = 2) {
  const random = new Random(2);
  return {
    logits: Float32Array.from({ length: N * V }, () => scale * random.normal()),
    targets: Int32Array.from({ length: N }, () => random.integer(V)),
    weights: Float32Array.from({ length: N }, (_, n) => (n === 3 ? 0 : 0.2)),
  };
}

/** The definition, in doubles. */
function reference({ logits, targets, weights }: ReturnType<typeof example>, smoothing: number): number {
  let loss = 0;
  for (let n = 0; n < N; n++) {
    const z = Array.from(logits.subarray(n * V, (n + 1) * V));
    const logSum = Math.max(...z) + Math.log(z.reduce((sum, x) => sum + Math.exp(x - Math.max(...z)), 0));
    z.forEach((x, v) => {
      const wanted = (v === targets[n] ? 1 - smoothing : 0) + smoothing / V;
      loss += weights[n] * wanted * (logSum - x);
    });
  }
  return loss;
}

function lossOf({ targets, weights }: ReturnType<typeof example>, smoothing: number) {
  return (z: tf.Tensor) =>
    crossEntropy(z as tf.Tensor2D, tf.tensor1d(targets, 'int32'), tf.tensor1d(weights), smoothing) as tf.Tensor;
}

describe('crossEntropy', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  for (const smoothing of [0, 0.1]) {
    it(`is its definition, label smoothing ${smoothing}`, () => {
      const data = example();
      const loss = lossOf(data, smoothing)(tf.tensor2d(data.logits, [N, V]));
      expect(loss.shape).to.deep.equal([]);
      expect(loss.dataSync()[0]).to.be.closeTo(reference(data, smoothing), 1e-6);
    });

    it(`has the gradient of finite differences, label smoothing ${smoothing}`, () => {
      const data = example();
      const gradient = tf
        .grad(lossOf(data, smoothing))(tf.tensor2d(data.logits, [N, V]))
        .dataSync();
      for (let i = 0; i < N * V; i++) {
        const at = (e: number) =>
          reference({ ...data, logits: data.logits.map((z, j) => (j === i ? z + e : z)) }, smoothing);
        const e = 2 ** -10;
        expect(gradient[i], `logit ${i}`).to.be.closeTo((at(e) - at(-e)) / (2 * e), 2e-5);
      }
    });
  }

  it('passes on the gradient from above', () => {
    const data = example();
    const z = tf.tensor2d(data.logits, [N, V]);
    const plain = tf.grad(lossOf(data, 0))(z).dataSync();
    const tripled = tf
      .grad((x) => tf.mul(lossOf(data, 0)(x), 3))(z)
      .dataSync();
    tripled.forEach((g, i) => expect(g).to.be.closeTo(3 * plain[i], 1e-6));
  });

  it('stays finite and correct for vanishing probabilities', () => {
    const data = example(300);
    const z = tf.tensor2d(data.logits, [N, V]);
    expect(lossOf(data, 0)(z).dataSync()[0]).to.be.closeTo(reference(data, 0), 1e-3);
    tf.grad(lossOf(data, 0))(z)
      .dataSync()
      .forEach((g) => expect(Math.abs(g)).to.be.below(0.2001));
  });

  it('ignores padding', () => {
    const data = example();
    const gradient = tf
      .grad(lossOf(data, 0.1))(tf.tensor2d(data.logits, [N, V]))
      .dataSync();
    for (const g of gradient.subarray(3 * V, 4 * V)) expect(Math.abs(g)).to.equal(0);
    const other = { ...data, targets: data.targets.map((t, n) => (n === 3 ? (t + 1) % V : t)) };
    const z = tf.tensor2d(data.logits, [N, V]);
    expect(lossOf(other, 0)(z).dataSync()[0]).to.equal(lossOf(data, 0)(z).dataSync()[0]);
  });
});
