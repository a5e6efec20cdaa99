import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../../lib/backend/index.js';
import { createVariable, type Variables } from '../../../lib/model/variables.js';
import { Random } from '../../../lib/random.js';
import { adamKernel } from '../../../lib/train/loop/adam-kernel.js';
import { LearningStep } from '../../../lib/train/loop/learning-step.js';
import { Adam, type OptimizerConfig } from '../../../lib/train/loop/optimizer.js';
import { readScalars, type Tensors } from '../../../lib/train/loop/scalar-step.js';

const normal = (n: number, ...seed: number[]) => {
  const random = new Random(...seed);
  return Float32Array.from({ length: n }, () => random.normal());
};
/** Sizes that are not multiples of four, so that kernels meet the ends of arrays. */
const weights = (): Variables => ({
  kernel: createVariable(normal(35, 1), [7, 5], true, 'kernel'),
  bias: createVariable(normal(5, 2), [5], true, 'bias'),
});
const loss = ({ kernel, bias }: Variables) => {
  return ({ x, y }: Tensors): tf.Scalar =>
    tf.mean(tf.square(tf.sub(tf.tanh(tf.add(tf.matMul(x as tf.Tensor2D, kernel as tf.Tensor2D), bias)), y)));
};
const inputs = (step: number): Tensors => ({
  x: tf.tensor2d(normal(21, step, 1), [3, 7]),
  y: tf.tensor2d(normal(15, step, 2), [3, 5]),
});
const values = (variables: Variables) => Object.values(variables).map((variable) => [...variable.dataSync()]);

describe('a learning step on the onnx backend', () => {
  before(() => useBackend('onnx'));

  it('runs its kernel as WebAssembly here', () => {
    expect(adamKernel(new WebAssembly.Memory({ initial: 1 }), false)).to.include.keys('step', 'average');
  });

  const plain: OptimizerConfig = { optimizer: 'adam', clipNorm: 0, weightDecay: 0 };
  const cases: [string, Partial<OptimizerConfig>][] = [
    ['Adam', {}],
    ['AMSGrad', { optimizer: 'amsgrad', beta2: 0.8 }],
    ['clipping', { clipNorm: 0.1 }],
    ['weight decay and shares', { weightDecay: 0.5, share: (name) => (name === 'kernel' ? 0.1 : 0.3) }],
    ['averages', { averageDecay: 0.6, clipNorm: 2, weightDecay: 0.1, optimizer: 'amsgrad' }],
  ];
  for (const [what, change] of cases) {
    it(`leaves exactly the weights, slots and averages of the graph of TensorFlow.js operations: ${what}`, async () => {
      const run = async (resident: boolean) => {
        const variables = weights();
        const averages = change.averageDecay === undefined ? undefined : weights();
        const adam = new Adam(variables, { ...plain, ...change, ...(averages && { averages }) });
        const step = new LearningStep(adam, loss(variables));
        const graph = compile((tensors: Tensors) => adam.minimize(() => loss(variables)(tensors), tensors));
        const results: unknown[] = [];
        for (let t = 1; t <= 12; t++) {
          const result = resident
            ? await step.learn(inputs(t), t, 0.1 / t)
            : await readScalars(graph, { ...inputs(t), ...adam.inputs(t, 0.1 / t) });
          results.push(result.loss, result.gradientNorm);
        }
        results.push(values(variables), values(adam.slots), averages && values(averages));
        step.dispose();
        graph.dispose();
        adam.dispose();
        tf.dispose([...Object.values(variables), ...Object.values(averages ?? {})]);
        return results;
      };
      expect(await run(true)).to.deep.equal(await run(false));
    });
  }

  it('adds the gradients of word embeddings up by word, also of words that occur several times', async () => {
    const run = async (resident: boolean) => {
      const variables: Variables = {
        embedding: createVariable(normal(40, 3), [8, 5], true, 'embedding'),
        kernel: createVariable(normal(10, 4), [5, 2], true, 'kernel'),
      };
      const lossOf = ({ words }: Tensors): tf.Scalar => {
        const x = tf.gather(variables.embedding as tf.Tensor2D, words as tf.Tensor1D);
        return tf.mean(tf.square(tf.tanh(tf.matMul(x, variables.kernel as tf.Tensor2D))));
      };
      const adam = new Adam(variables, plain);
      const step = new LearningStep(adam, lossOf);
      const graph = compile((tensors: Tensors) => adam.minimize(() => lossOf(tensors), tensors));
      const norms: number[] = [];
      for (let t = 1; t <= 6; t++) {
        const words = { words: tf.tensor1d([2, t, 2, 0, 7, t, 2], 'int32') };
        const { gradientNorm } = resident
          ? await step.learn(words, t, 0.1)
          : await readScalars(graph, { ...words, ...adam.inputs(t, 0.1) });
        norms.push(gradientNorm);
      }
      const results = [values(variables), values(adam.slots)];
      step.dispose();
      graph.dispose();
      adam.dispose();
      tf.dispose(Object.values(variables));
      return { results, norms };
    };
    const [ours, wanted] = [await run(true), await run(false)];
    expect(ours.results).to.deep.equal(wanted.results);
    ours.norms.forEach((norm, i) => expect(norm).to.be.closeTo(wanted.norms[i], 1e-6));
  });

  it('leaves values that were read, clones, and sees values assigned between steps', async () => {
    const variables = weights();
    const adam = new Adam(variables, plain);
    const step = new LearningStep(adam, loss(variables));
    await step.learn(inputs(1), 1, 0.1);
    const [read, clone] = [variables.kernel.dataSync(), variables.kernel.clone()];
    const then = [...read];
    await step.learn(inputs(2), 2, 0.1);
    expect([...read]).to.deep.equal(then);
    expect([...clone.dataSync()]).to.deep.equal(then);
    expect([...variables.kernel.dataSync()]).not.to.deep.equal(then);

    variables.kernel.assign(tf.zeros([7, 5]));
    await step.learn(inputs(3), 3, 0.001);
    for (const weight of variables.kernel.dataSync()) expect(Math.abs(weight)).to.be.below(0.01);
    step.dispose();
    adam.dispose();
    tf.dispose([...Object.values(variables), clone]);
  });

  it('takes turns with other compiled steps, even if none is awaited', async () => {
    // Large enough for a step that does not wait its turn to read weights while they change.
    const size = 2_000_000;
    const run = async (awaited: boolean) => {
      const variables = { x: createVariable(new Float32Array(size).fill(1), [size], true, 'x') };
      const adam = new Adam(variables, plain);
      const step = new LearningStep(adam, ({ y }) => tf.sum(tf.mul(variables.x, y)));
      const read = compile(() => ({ least: tf.min(variables.x), most: tf.max(variables.x) }));
      const results: Promise<unknown>[] = [];
      for (let t = 1; t <= 6; t++) {
        results.push(step.learn({ y: tf.scalar(1) }, t, 0.1));
        results.push(read({}).then(({ least, most }) => [least.dataSync()[0], most.dataSync()[0]]));
        if (awaited) await Promise.all(results);
      }
      const all = await Promise.all(results);
      step.dispose();
      read.dispose();
      adam.dispose();
      variables.x.dispose();
      return all;
    };
    expect(await run(false)).to.deep.equal(await run(true));
  });

  it('keeps no tensors', async () => {
    const variables = weights();
    const adam = new Adam(variables, plain);
    const step = new LearningStep(adam, loss(variables));
    await step.learn(inputs(1), 1, 0.1);
    const before = tf.memory().numTensors;
    for (let t = 2; t <= 4; t++) await step.learn(inputs(t), t, 0.1);
    expect(tf.memory().numTensors).to.equal(before);
    step.dispose();
    adam.dispose();
    tf.dispose(Object.values(variables));
  });
});
