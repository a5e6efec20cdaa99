import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../lib/backend/index.js';
import { bytesOf } from '../../lib/onnx/graph-builder.js';
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
    const lookUp = ({ x, ids }: Record<string, tf.Tensor>) => tf.unsortedSegmentSum(x, ids as tf.Tensor1D, V);
    const steps = {
      alone: compile((inputs: Record<string, tf.Tensor>) => ({ y: lookUp(inputs) })),
      'with its squares': compile((inputs: Record<string, tf.Tensor>) => {
        const y = lookUp(inputs);
        return { y, squares: tf.sum(tf.square(y)) };
      }),
      'with its squares by column': compile((inputs: Record<string, tf.Tensor>) => {
        const y = lookUp(inputs);
        return { y, columns: tf.sum(tf.square(y), 0) };
      }),
      'and read by another operation': compile((inputs: Record<string, tf.Tensor>) => {
        const y = lookUp(inputs);
        return { y, squares: tf.sum(tf.square(y)), most: tf.max(y) };
      }),
    };
    const results: Float32Array[] = [];
    for (const [name, sum] of Object.entries(steps)) {
      for (let trial = 0; trial < 6; trial++) {
        const inputs = { x: tf.tensor2d(rows, [N, E]), ids: tf.tensor1d(words, 'int32') };
        const { y, squares, columns } = (await sum(inputs)) as Record<string, tf.Tensor>;
        const values = y.dataSync<'float32'>().slice();
        results.push(values);
        const wrong = values.findIndex((value, i) => Math.abs(value - expected[i]) > 1e-3);
        expect(wrong, `${name}, run ${trial}`).to.equal(-1);
        const square = expected.reduce((total, value) => total + value ** 2, 0);
        for (const total of [squares, columns && tf.tidy(() => tf.sum(columns))])
          if (total) expect(total.dataSync()[0] / square).to.be.closeTo(1, 1e-5);
        tf.dispose([y, ...Object.values(inputs)]);
      }
      sum.dispose();
    }
    for (const result of results) expect(Buffer.compare(bytesOf(result), bytesOf(results[0]))).to.equal(0);
  });
});
