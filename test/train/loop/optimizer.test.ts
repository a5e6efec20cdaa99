import '@tensorflow/tfjs'; // its cpu backend and its gradients
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { CaptionerError } from '../../../lib/errors.js';
import { createVariable } from '../../../lib/model/variables.js';
import { Random } from '../../../lib/random.js';
import { Adam, type OptimizerConfig } from '../../../lib/train/loop/optimizer.js';

const plain: OptimizerConfig = { optimizer: 'adam', clipNorm: 0, weightDecay: 0 };
const normal = (n: number, ...seed: number[]) => {
  const random = new Random(...seed);
  return Float32Array.from({ length: n }, () => random.normal());
};
const weights = () => ({
  'a/kernel': createVariable(normal(6, 1), [2, 3], true, 'a/kernel'),
  'a/bias': createVariable(normal(3, 2), [3], true, 'a/bias'),
});
const gradientsOf = (step: number) => ({
  'a/kernel': tf.tensor2d(normal(6, step, 1), [2, 3]),
  'a/bias': tf.tensor1d(normal(3, step, 2)),
});

function advance(adam: Adam, step: number, learningRate: number, gradients = gradientsOf(step)): number {
  return tf.tidy(() => {
    return adam.apply(gradients, adam.inputs(step, learningRate)).dataSync()[0];
  });
}

/** The formulas of the class's description, one number at a time. */
function reference(
  steps: number,
  config: Required<Omit<OptimizerConfig, 'averages' | 'averageDecay'>>,
  rateOf: (step: number) => number,
) {
  const w = { 'a/kernel': [...normal(6, 1)], 'a/bias': [...normal(3, 2)] };
  const memory = new Map<string, { m: number; v: number; u: number }>();
  for (let t = 1; t <= steps; t++) {
    const g = { 'a/kernel': normal(6, t, 1), 'a/bias': normal(3, t, 2) };
    const norm = Math.hypot(...g['a/kernel'], ...g['a/bias']);
    const scale = config.clipNorm > 0 ? Math.min(1, config.clipNorm / norm) : 1;
    for (const name of ['a/kernel', 'a/bias'] as const) {
      g[name].forEach((raw, i) => {
        const { m: m0, v: v0, u: u0 } = memory.get(name + i) ?? { m: 0, v: 0, u: 0 };
        const m = config.beta1 * m0 + (1 - config.beta1) * raw * scale;
        const v = config.beta2 * v0 + (1 - config.beta2) * (raw * scale) ** 2;
        const u = Math.max(u0, v);
        memory.set(name + i, { m, v, u });
        const used = (config.optimizer === 'amsgrad' ? u : v) / (1 - config.beta2 ** t);
        const rate = rateOf(t) * config.share(name);
        if (name === 'a/kernel') w[name][i] *= 1 - rate * config.weightDecay;
        w[name][i] -= (rate * m) / (1 - config.beta1 ** t) / (Math.sqrt(used) + config.epsilon);
      });
    }
  }
  return w;
}

describe('Adam', () => {
  before(async () => {
    await tf.setBackend('cpu');
  });

  it('matches tf.train.adam at a constant learning rate', () => {
    const [ours, theirs] = [weights(), weights()];
    const adam = new Adam(ours, { ...plain, epsilon: 1e-7 });
    const oracle = tf.train.adam(0.01, 0.9, 0.999, 1e-7);
    for (let step = 1; step <= 30; step++) {
      advance(adam, step, 0.01);
      oracle.applyGradients(
        Object.entries(gradientsOf(step)).map(([name, tensor]) => ({
          name: theirs[name as keyof typeof theirs].name,
          tensor,
        })) as never,
      );
    }
    for (const name of ['a/kernel', 'a/bias'] as const) {
      const expected = theirs[name].dataSync();
      ours[name].dataSync().forEach((w, i) => expect(w).to.be.closeTo(expected[i], 1e-6));
    }
    tf.dispose([...Object.values(ours), ...Object.values(theirs)]);
    oracle.dispose();
    adam.dispose();
  });

  const cases: [string, Partial<OptimizerConfig>][] = [
    ['Adam with a changing learning rate', {}],
    ['AMSGrad', { optimizer: 'amsgrad', beta2: 0.8 }],
    ['clipping', { clipNorm: 1.5 }],
    ['weight decay, of matrices alone', { weightDecay: 0.5 }],
    ['a share of the learning rate', { weightDecay: 0.5, share: (name) => (name === 'a/kernel' ? 0.1 : 0.3) }],
    ['all of it', { optimizer: 'amsgrad', clipNorm: 2, weightDecay: 0.1, beta1: 0.5, beta2: 0.9, epsilon: 1e-3 }],
  ];
  for (const [what, change] of cases) {
    it(`follows its formulas: ${what}`, () => {
      const variables = weights();
      const config = { ...plain, ...change };
      const adam = new Adam(variables, config);
      const rateAt = (step: number) => 0.05 / step;
      for (let step = 1; step <= 20; step++) advance(adam, step, rateAt(step));
      const expected = reference(20, { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, share: () => 1, ...config }, rateAt);
      for (const name of ['a/kernel', 'a/bias'] as const) {
        variables[name].dataSync().forEach((w, i) => expect(w, name).to.be.closeTo(expected[name][i], 2e-6));
      }
      tf.dispose(Object.values(variables));
      adam.dispose();
    });
  }

  it('averages the weights, faster at first', () => {
    const [variables, averages] = [weights(), weights()];
    const adam = new Adam(variables, { ...plain, averages, averageDecay: 0.6 });
    const expected = averages['a/kernel'].dataSync<'float32'>().slice();
    for (let step = 1; step <= 25; step++) {
      advance(adam, step, 0.1);
      const left = Math.min(0.6, step / (9 + step));
      variables['a/kernel'].dataSync().forEach((w, i) => (expected[i] = left * expected[i] + (1 - left) * w));
    }
    averages['a/kernel'].dataSync().forEach((a, i) => expect(a).to.be.closeTo(expected[i], 1e-5));
    tf.dispose([...Object.values(variables), ...Object.values(averages)]);
    adam.dispose();
  });

  it('reports the norm of the gradients before clipping, and leaves small ones alone', () => {
    const [one, two] = [weights(), weights()];
    const clipping = new Adam(one, { ...plain, clipNorm: 1e6 });
    const free = new Adam(two, plain);
    const expected = Math.hypot(...normal(6, 1, 1), ...normal(3, 1, 2));
    expect(advance(clipping, 1, 0.1)).to.be.closeTo(expected, 1e-5);
    expect(advance(free, 1, 0.1)).to.be.closeTo(expected, 1e-5);
    expect(one['a/bias'].dataSync()).to.deep.equal(two['a/bias'].dataSync());
    tf.dispose([...Object.values(one), ...Object.values(two)]);
    clipping.dispose();
    free.dispose();
  });

  it('does nothing if all gradients are zero', () => {
    const variables = weights();
    const adam = new Adam(variables, { ...plain, clipNorm: 1 });
    const before = variables['a/kernel'].dataSync().slice();
    expect(advance(adam, 1, 0.1, { 'a/kernel': tf.zeros([2, 3]), 'a/bias': tf.zeros([3]) })).to.equal(0);
    expect(variables['a/kernel'].dataSync()).to.deep.equal(before);
    tf.dispose(Object.values(variables));
    adam.dispose();
  });

  it('resumes from saved slots as if it had never stopped', () => {
    const variables = weights();
    let adam = new Adam(variables, { ...plain, optimizer: 'amsgrad' });
    for (let step = 1; step <= 3; step++) advance(adam, step, 0.1);
    const saved = new Map(
      Object.entries(adam.slots).map(([name, slot]) => [
        name,
        { shape: slot.shape, data: slot.dataSync<'float32'>().slice() },
      ]),
    );
    const half = Object.values(variables).map((v) => v.clone());
    advance(adam, 4, 0.1);
    const expected = variables['a/kernel'].dataSync().slice();
    adam.dispose();
    Object.values(variables).forEach((v, i) => {
      v.assign(half[i]);
    });
    adam = new Adam(variables, { ...plain, optimizer: 'amsgrad' }, saved);
    advance(adam, 4, 0.1);
    expect(variables['a/kernel'].dataSync()).to.deep.equal(expected);
    adam.dispose();
    saved.delete('u/a/bias');
    expect(() => new Adam(variables, { ...plain, optimizer: 'amsgrad' }, saved)).to.throw(
      CaptionerError,
      /no 'u\/a\/bias' of 3 numbers/,
    );
    tf.dispose([...Object.values(variables), ...half]);
  });

  it('keeps no tensors but its slots', () => {
    const variables = weights();
    const adam = new Adam(variables, plain);
    const before = tf.memory().numTensors;
    tf.tidy(() => {
      for (let step = 1; step <= 3; step++) advance(adam, step, 0.1);
    });
    expect(tf.memory().numTensors).to.equal(before);
    adam.dispose();
    tf.dispose(Object.values(variables));
  });
});
