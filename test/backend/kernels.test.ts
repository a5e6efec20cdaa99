import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, useBackend } from '../../lib/backend/index.js';
import { currentOnnxBackend, type OnnxBackend } from '../../lib/backend/backend.js';
import { kernelTable } from '../../lib/backend/kernels/table.js';
import { Random } from '../../lib/random.js';

/** An input of a case: a shape filled with seeded numbers in [low, high), or the very values. */
type Input =
  { shape: number[]; low?: number; high?: number } | { values: number[]; shape: number[]; dtype: 'int32' | 'bool' };

interface Case {
  readonly name: string;
  readonly run: (...x: tf.Tensor[]) => tf.Tensor | tf.Tensor[];
  readonly inputs: Input[];
  /** Inputs that have a gradient; default: all of floats. */
  readonly differentiable?: boolean;
}

const any = { shape: [3, 4] };
const positive = { shape: [3, 4], low: 0.5, high: 2 };
const row = { shape: [4] };
const steps = { differentiable: false };

const unary = (name: string, run: (x: tf.Tensor) => tf.Tensor, input: Input = any, more = {}): Case => {
  return { name, run, inputs: [input], ...more };
};
const binary = (name: string, run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor, more = {}): Case => {
  return { name, run, inputs: [any, { ...row, low: 0.5, high: 2 }], ...more };
};
// TensorFlow.js' own gradients of these know no broadcasting.
const binarySameShape = (name: string, run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor): Case => {
  return { name, run, inputs: [any, any] };
};
const ids = (values: number[], shape = [values.length]): Input => ({ values, shape, dtype: 'int32' });
const bools = (values: number[], shape: number[]): Input => ({ values, shape, dtype: 'bool' });

const cases: Case[] = [
  unary('abs', tf.abs),
  unary('acos', tf.acos, { shape: [3, 4], low: -0.9, high: 0.9 }),
  unary('acosh', tf.acosh, { shape: [3, 4], low: 1.2, high: 3 }),
  unary('asin', tf.asin, { shape: [3, 4], low: -0.9, high: 0.9 }),
  unary('asinh', tf.asinh),
  unary('atan', tf.atan),
  unary('atanh', tf.atanh, { shape: [3, 4], low: -0.9, high: 0.9 }),
  unary('ceil', tf.ceil, any, steps),
  unary('cos', tf.cos),
  unary('cosh', tf.cosh),
  unary('erf', tf.erf),
  unary('exp', tf.exp),
  unary('expm1', tf.expm1),
  unary('floor', tf.floor, any, steps),
  unary('isNaN', tf.isNaN, any, steps),
  unary('log', tf.log, positive),
  unary('log1p', tf.log1p, positive),
  unary('neg', tf.neg),
  unary('reciprocal', tf.reciprocal, positive),
  unary('relu', tf.relu),
  unary('relu6', tf.relu6, { shape: [3, 4], low: -4, high: 9 }),
  unary('round', tf.round, any, steps),
  unary('rsqrt', tf.rsqrt, positive),
  unary('elu', tf.elu),
  unary('selu', tf.selu),
  unary('leakyRelu', (x) => tf.leakyRelu(x, 0.1)),
  unary('sigmoid', tf.sigmoid),
  unary('sign', tf.sign, any, steps),
  unary('sin', tf.sin),
  unary('sinh', tf.sinh),
  unary('softplus', tf.softplus),
  unary('sqrt', tf.sqrt, positive),
  unary('square', tf.square),
  unary('step', tf.step, any, steps),
  unary('step with a slope', (x) => tf.step(x, 0.3), any, steps),
  unary('tan', tf.tan, { shape: [3, 4], low: -1, high: 1 }),
  unary('tanh', tf.tanh),
  unary('clipByValue', (x) => tf.clipByValue(x, -0.37, 0.61)),
  unary('cast to int32', (x) => tf.cast(x, 'int32'), any, steps),
  unary('cast to bool', (x) => tf.cast(x, 'bool'), any, steps),
  unary('cast of integers to floats', (x) => tf.mul(tf.cast(x, 'float32'), 0.5), ids([1, -2, 3])),
  unary('logicalNot', tf.logicalNot, bools([1, 0, 1], [3]), steps),

  binary('add', tf.add),
  binary('sub', tf.sub),
  binary('mul', tf.mul),
  binary('div', tf.div),
  binarySameShape('maximum', tf.maximum),
  binarySameShape('minimum', tf.minimum),
  binarySameShape('squaredDifference', tf.squaredDifference),
  binary('floorDiv', tf.floorDiv, steps),
  binary('prelu', tf.prelu),
  { name: 'pow', run: tf.pow as Case['run'], inputs: [positive, row] },
  {
    name: 'floorDiv of integers',
    run: tf.floorDiv as Case['run'],
    inputs: [ids([7, -7, 8]), ids([2, 2, -3])],
    ...steps,
  },
  { name: 'add of integers', run: tf.add as Case['run'], inputs: [ids([7, -7, 8]), ids([2, 2, -3])], ...steps },
  { name: 'maximum of integers', run: tf.maximum as Case['run'], inputs: [ids([7, -7, 8]), ids([2, 2, -3])], ...steps },
  ...[tf.greater, tf.greaterEqual, tf.less, tf.lessEqual, tf.equal, tf.notEqual].map((compare): Case => {
    return {
      name: compare.name.replace('_', ''),
      run: compare as Case['run'],
      inputs: [ids([1, 2, 3]), ids([3, 2, 1])],
      ...steps,
    };
  }),
  { name: 'less of floats', run: tf.less as Case['run'], inputs: [any, any], ...steps },
  {
    name: 'logicalAnd',
    run: tf.logicalAnd as Case['run'],
    inputs: [bools([1, 1, 0], [3]), bools([1, 0, 0], [3])],
    ...steps,
  },
  {
    name: 'logicalOr',
    run: tf.logicalOr as Case['run'],
    inputs: [bools([1, 1, 0], [3]), bools([1, 0, 0], [3])],
    ...steps,
  },
  { name: 'addN', run: (...x) => tf.addN(x), inputs: [any, any, any] },
  {
    name: 'where',
    run: (c, a, b) => tf.where(c, a, b),
    inputs: [bools([1, 0, 1, 0, 1, 1, 0, 0, 1, 0, 1, 1], [3, 4]), any, any],
  },

  unary('sum', (x) => tf.sum(x)),
  unary('sum over an axis', (x) => tf.sum(x, 1)),
  unary('sum over axes, kept', (x) => tf.sum(x, [0, -1], true), { shape: [2, 3, 4] }),
  unary('sum of integers', (x) => tf.sum(x, 0), ids([1, 2, 3, 4], [2, 2]), steps),
  unary('mean', (x) => tf.mean(x, -1)),
  unary('max', (x) => tf.max(x, 1)),
  unary('min', (x) => tf.min(x, 0, true)),
  unary('prod', (x) => tf.prod(x, 1), any, steps),
  unary('all', (x) => tf.all(x, 1), bools([1, 1, 1, 0], [2, 2]), steps),
  unary('any', (x) => tf.any(x, 1), bools([0, 0, 1, 0], [2, 2]), steps),
  unary('argMax', (x) => tf.argMax(x, 1), any, steps),
  unary('argMin', (x) => tf.argMin(x, 0), any, steps),
  unary('softmax', (x) => tf.softmax(x)),
  unary('logSoftmax', (x) => tf.logSoftmax(x)),
  unary('logSumExp', (x) => tf.logSumExp(x, 1)),
  unary('cumsum', (x) => tf.cumsum(x, 1)),
  unary('cumsum, exclusive, in reverse', (x) => tf.cumsum(x, 1, true, true)),
  { name: 'topk', run: (x) => Object.values(tf.topk(x, 2)), inputs: [any], ...steps },

  { name: 'matMul', run: (a, b) => tf.matMul(a, b), inputs: [{ shape: [3, 4] }, { shape: [4, 5] }] },
  {
    name: 'matMul, first transposed',
    run: (a, b) => tf.matMul(a, b, true),
    inputs: [{ shape: [4, 3] }, { shape: [4, 5] }],
  },
  {
    name: 'matMul, second transposed',
    run: (a, b) => tf.matMul(a, b, false, true),
    inputs: [{ shape: [3, 4] }, { shape: [5, 4] }],
  },
  {
    name: 'matMul of batches',
    run: (a, b) => tf.matMul(a, b, false, true),
    inputs: [{ shape: [2, 3, 4] }, { shape: [2, 5, 4] }],
  },
  {
    name: 'fused matMul',
    run: (a, b, bias) => tf.fused.matMul({ a, b, bias, activation: 'relu' }),
    inputs: [{ shape: [3, 4] }, { shape: [4, 5] }, { shape: [5] }],
  },
  {
    name: 'conv2d',
    run: (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 2, 'same'),
    inputs: [{ shape: [2, 4, 3, 2] }, { shape: [3, 3, 2, 2] }],
  },
  {
    name: 'conv2d, channels first',
    run: (x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', 'NCHW'),
    inputs: [{ shape: [2, 2, 4, 3] }, { shape: [3, 3, 2, 2] }],
  },
  {
    name: 'fused conv2d',
    run: (x, filter, bias) =>
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: filter as tf.Tensor4D,
        strides: 1,
        pad: 'same',
        bias,
        activation: 'relu6',
      }),
    inputs: [{ shape: [2, 4, 3, 2] }, { shape: [3, 3, 2, 2] }, { shape: [2] }],
  },
  {
    name: 'fused conv2d with slopes, channels first',
    run: (x, filter, bias, slopes) =>
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: filter as tf.Tensor4D,
        strides: 1,
        pad: 'same',
        dataFormat: 'NCHW',
        bias,
        activation: 'prelu',
        preluActivationWeights: slopes,
      }),
    inputs: [{ shape: [2, 2, 4, 3] }, { shape: [3, 3, 2, 2] }, { shape: [2] }, { shape: [2] }],
    ...steps,
  },
  {
    name: 'depthwiseConv2d',
    run: (x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 2, 'same'),
    inputs: [{ shape: [2, 4, 3, 2] }, { shape: [3, 3, 2, 2] }],
  },
  unary('avgPool', (x) => tf.avgPool(x as tf.Tensor4D, 2, 2, 'valid'), { shape: [2, 5, 4, 2] }),
  unary('maxPool', (x) => tf.maxPool(x as tf.Tensor4D, 3, 2, 'same'), { shape: [2, 5, 4, 2] }),
  {
    name: 'batchNorm',
    run: (x, mean, variance, offset, scale) =>
      tf.batchNorm(x, mean as tf.Tensor1D, variance as tf.Tensor1D, offset as tf.Tensor1D, scale as tf.Tensor1D),
    inputs: [{ shape: [2, 3, 3, 4] }, row, { shape: [4], low: 0.5, high: 2 }, row, row],
  },
  unary('transpose to the same order', (x) => tf.transpose(x, [0, 1])),
  unary('transpose', (x) => tf.transpose(x, [2, 0, 1]), { shape: [2, 3, 4] }),
  unary('reshape', (x) => tf.square(tf.reshape(x, [4, 3]))),
  unary('expandDims and squeeze', (x) => tf.squeeze(tf.square(tf.expandDims(x, 1)))),
  unary('slice', (x) => tf.slice(x, [1, 0], [2, 3])),
  unary('slice to the end', (x) => tf.slice(x, [0, 1], [-1, -1])),
  unary('stridedSlice', (x) => tf.stridedSlice(x, [2, 0], [-5, 4], [-1, 2]), any, steps),
  { name: 'concat', run: (...x) => tf.concat(x, 1), inputs: [any, { shape: [3, 2] }, any] },
  { name: 'concat along rows', run: (...x) => tf.concat(x, 0), inputs: [any, { shape: [2, 4] }] },
  { name: 'stack', run: (...x) => tf.stack(x), inputs: [any, any] },
  { name: 'stack along the last axis', run: (...x) => tf.stack(x, 2), inputs: [any, any] },
  unary('unstack', (x) => tf.add(...(tf.unstack(x, 0).slice(0, 2).map(tf.square) as [tf.Tensor, tf.Tensor]))),
  unary('unstack along the last axis', (x) => tf.addN(tf.unstack(x, 1).map(tf.square))),
  { name: 'split', run: (x) => tf.split(tf.square(x), 2, 1), inputs: [any] },
  unary('split into unequal parts', (x) => tf.concat([...tf.split(x, [1, 3], 1)].reverse(), 1)),
  unary('tile', (x) => tf.tile(x, [2, 3])),
  unary('pad', (x) => tf.pad(x, [[1, 0], [0, 2]], 0.5)), // prettier-ignore
  unary('reverse', (x) => tf.reverse(x, 1)),
  { name: 'gather', run: (x, i) => tf.gather(x, i), inputs: [any, ids([2, 0, 2, 1])] },
  { name: 'gather columns', run: (x, i) => tf.gather(x, i, 1), inputs: [any, ids([3, 3, 0])] },
  { name: 'gather by a matrix of indices', run: (x, i) => tf.gather(x, i), inputs: [any, ids([2, 0, 2, 1], [2, 2])] },
  { name: 'gatherND', run: (x, i) => tf.gatherND(x, i), inputs: [any, ids([0, 1, 2, 3, 2, 3], [3, 2])], ...steps },
  {
    name: 'tensorScatterUpdate',
    run: (x, i, y) => tf.tensorScatterUpdate(x, i as tf.Tensor2D, y),
    inputs: [any, ids([2, 0], [2, 1]), { shape: [2, 4] }],
    ...steps,
  },
  { name: 'scatterND', run: (x, i) => tf.scatterND(i, x, [5, 4]), inputs: [any, ids([4, 0, 4], [3, 1])], ...steps },
  {
    name: 'unsortedSegmentSum',
    run: (x, i) => tf.unsortedSegmentSum(x, i as tf.Tensor1D, 5),
    inputs: [any, ids([4, 0, 4])],
  },
  unary('oneHot', (x) => tf.oneHot(x, 4), ids([1, 0, 3]), steps),
  unary('oneHot with other values', (x) => tf.oneHot(x, 4, 0.9, 0.1), ids([1, 0, 3]), steps),
  unary('zerosLike and onesLike', (x) => tf.add(tf.zerosLike(x), tf.onesLike(x)), any, steps),
];

function values(input: Input, seed: number): number[] {
  if ('values' in input) return input.values;
  const random = new Random(17, seed);
  const { low = -1.5, high = 1.5, shape } = input;
  // Off zero and off each other by more than the differences below, where slopes may jump.
  return Array.from({ length: tf.util.sizeFromShape(shape) }, () => low + (high - low) * random.uniform());
}

const dtypeOf = (input: Input) => ('dtype' in input ? input.dtype : 'float32');

function tensors({ inputs }: Case, moved = inputs.map(values)): tf.Tensor[] {
  return inputs.map((input, i) => tf.tensor(moved[i], input.shape, dtypeOf(input)));
}

const named = (list: tf.Tensor[]): Record<string, tf.Tensor> => Object.fromEntries(list.entries());

/** Frees the tensors that `run` makes. */
function scoped<T>(run: () => T): T {
  tf.engine().startScope();
  try {
    return run();
  } finally {
    tf.engine().endScope();
  }
}

interface Result {
  shape: number[];
  dtype: string;
  data: number[];
}
const results = (outputs: tf.Tensor | tf.Tensor[]): Result[] =>
  [outputs].flat().map((t) => ({ shape: t.shape, dtype: t.dtype, data: Array.from(t.dataSync()) }));

function expectClose(actual: Result[], expected: Result[], tolerance = 2e-6): void {
  expect(actual.map(({ shape }) => shape)).to.deep.equal(expected.map(({ shape }) => shape));
  actual.forEach(({ data }, i) => {
    data.forEach((x, j) => {
      const y = expected[i].data[j];
      expect(Math.abs(x - y), `${x} for ${y} at ${j}`).to.be.at.most(tolerance * Math.max(1, Math.abs(y)));
    });
  });
}

/** A scalar whose gradient reaches every output number with a weight of its own. */
function weigh(outputs: tf.Tensor | tf.Tensor[]): tf.Scalar {
  return tf.addN(
    [outputs].flat().map((y) => tf.sum(tf.mul(y, tf.reshape(tf.linspace(0.5, 1.5, y.size), y.shape)))),
  ) as tf.Scalar;
}

/** Gradients of the weighed outputs with respect to all inputs of floats. */
function gradients(c: Case, x: tf.Tensor[]): tf.Tensor[] {
  const floats = x.filter(({ dtype }) => dtype === 'float32');
  return tf.grads((...moved: tf.Tensor[]) => {
    const rest = [...moved];
    return weigh(c.run(...x.map((t) => (t.dtype === 'float32' ? rest.shift()! : t))));
  })(floats);
}

/** Central differences of the weighed outputs, by plain JavaScript. */
function differences(c: Case): number[][] {
  const inputs = c.inputs.map((input, i) => values(input, i));
  const h = 1e-2;
  const at = (moved: number[][]) => weigh(c.run(...tensors(c, moved))).dataSync()[0];
  return inputs.flatMap((v, i) =>
    dtypeOf(c.inputs[i]) !== 'float32'
      ? []
      : [
          v.map((x, j) => {
            const [up, down] = [x + h, x - h].map((moved) =>
              at(inputs.map((w, k) => (k === i ? [...w.slice(0, j), moved, ...w.slice(j + 1)] : w))),
            );
            return (up - down) / (2 * h);
          }),
        ],
  );
}

describe('the kernels of the onnx backend', () => {
  let backend: OnnxBackend;
  const used = new Set<string>();

  before(async () => {
    await useBackend('onnx');
    backend = currentOnnxBackend()!;
    backend.eager.smallestWork = 0;
    const run = backend.eager.run.bind(backend.eager);
    backend.eager.run = (name, ...rest) => {
      const outputs = run(name, ...rest);
      if (outputs) used.add(name);
      return outputs;
    };
  });

  after(async () => {
    delete (backend.eager as Partial<typeof backend.eager>).run;
    backend.eager.smallestWork = 8192;
    await useBackend('onnx');
  });

  for (const c of cases) {
    it(`${c.name}: eager and compiled results match plain JavaScript`, async () => {
      await useBackend('cpu');
      const expected = scoped(() => results(c.run(...tensors(c))));
      await useBackend('onnx');
      const eager = scoped(() => results(c.run(...tensors(c))));
      expectClose(eager, expected);
      expect(eager.map(({ dtype }) => dtype)).to.deep.equal(expected.map(({ dtype }) => dtype));

      const step = compile((x: Record<string, tf.Tensor>) => named([c.run(...Object.values(x))].flat()));
      const outputs = await step(named(tensors(c)));
      expectClose(results(Object.values(outputs)), expected);
      step.dispose();
    });

    if (c.differentiable === false || c.inputs.some((input) => 'dtype' in input && c.inputs.length === 1)) continue;
    it(`${c.name}: the gradient is that of plain JavaScript and of finite differences`, async () => {
      await useBackend('cpu');
      const expected = scoped(() => results(gradients(c, tensors(c))));
      const numeric = scoped(() => differences(c));
      await useBackend('onnx');
      const eager = scoped(() => results(gradients(c, tensors(c))));
      expectClose(eager, expected, 5e-6);
      eager.forEach(({ data }, i) => {
        data.forEach((slope, j) => {
          const difference = Math.abs(slope - numeric[i][j]);
          expect(difference, `float input ${i}, number ${j}`).to.be.at.most(2e-2 * Math.max(1, Math.abs(slope)));
        });
      });
      const step = compile((x: Record<string, tf.Tensor>) => named(gradients(c, Object.values(x))));
      expectClose(results(Object.values(await step(named(tensors(c))))), expected, 5e-6);
      step.dispose();
    });
  }

  it('are all in these cases', () => {
    expect([...kernelTable.keys()].filter((name) => !used.has(name))).to.deep.equal([]);
  });
});
