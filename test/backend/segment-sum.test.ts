import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../lib/backend/index.js';
import { Random } from '../../lib/random.js';

describe('the gradient of an embedding look-up', () => {
  it('adds up every row of a large batch, in the same way each time, if many rows share a word', async () => {
    await useBackend('onnx');
    const random = new Random(1);
    const [N, E, V] = [8192, 300, 400];
    const words = Int32Array.from({ length: N }, (_, i) => (i % 2 === 0 ? 1 : random.integer(V)));
    const rows = Float32Array.from({ length: N * E }, () => random.normal());
    const expected = new Float64Array(V * E);
    rows.forEach((x, i) => (expected[words[Math.floor(i / E)] * E + (i % E)] += x));
    const sum = compile(({ x, ids }: Record<string, tf.Tensor>) => ({
      y: tf.unsortedSegmentSum(x, ids as tf.Tensor1D, V),
    }));
    for (let trial = 0; trial < 8; trial++) {
      const inputs = { x: tf.tensor2d(rows, [N, E]), ids: tf.tensor1d(words, 'int32') };
      const { y } = await sum(inputs);
      const wrong = y.dataSync<'float32'>().findIndex((value, i) => Math.abs(value - expected[i]) > 1e-3);
      expect(wrong, `run ${trial}`).to.equal(-1);
      tf.dispose([y, ...Object.values(inputs)]);
    }
    sum.dispose();
  });
});
