import * as tf from '@tensorflow/tfjs-core';
import { averagePool, convolution, convolutionLayout, maxPool } from './onnx-convolution.js';
import type { OnnxNode } from './onnx-node.js';

/**
 * Integers for computing shapes, known when a graph is traced. They have at most one axis, so the
 * layout does not matter.
 */
export type Integers = readonly number[];

/** A value that flows between nodes. */
export type Value = tf.Tensor | Integers;

/** Layout of a weight in a TensorFlow.js variable: its shape, then the order of the axes. */
export interface Layout {
  readonly shape: readonly number[];
  readonly order: readonly number[];
}

/** An operator of ONNX (https://onnx.ai/onnx/operators/) as TensorFlow.js operations. */
export interface Operator {
  /** Layouts of the inputs that are constant weights, given the shapes of the inputs. */
  readonly weights?: (node: OnnxNode, shapes: readonly (readonly number[] | undefined)[]) => (Layout | undefined)[];
  /** Whether it counts as a layer. */
  readonly layer?: true;
  readonly run: (inputs: readonly Value[], node: OnnxNode) => Value;
}

type Tensors = readonly tf.Tensor[];
type Run = (inputs: Tensors, node: OnnxNode) => tf.Tensor;
type Weights = NonNullable<Operator['weights']>;

const plain = (shape: readonly number[] | undefined): Layout | undefined =>
  shape && { shape, order: shape.map((_, i) => i) };

/**
 * Layouts of the learned constants. Constants of one number are part of a formula and have none.
 */
const plainArrays: Weights = (_, shapes) =>
  shapes.map((shape) => (shape && shape.some((d) => d > 1) ? plain(shape) : undefined));

const tensors = (run: Run, rest: Omit<Operator, 'run'> = {}): Operator => ({
  run: (inputs, node) => {
    if (inputs.some(Array.isArray)) throw node.refusal('computes with integers');
    return run(inputs as Tensors, node);
  },
  ...rest,
});

/** An operator that also reads integers: axes or a shape, which are attributes in older files. */
const withIntegers = (
  name: string,
  run: (x: tf.Tensor, integers: Integers | undefined, node: OnnxNode) => tf.Tensor,
): Operator => ({
  run: ([x, integers], node) => {
    if (!(x instanceof tf.Tensor)) return x; // the axes of integers do not matter
    if (integers instanceof tf.Tensor) throw node.refusal(`has ${name} that depend on the photo`);
    return run(x, integers ?? node.ints(name), node);
  },
});

/** An operator that also computes shapes. */
const either = (run: Run, integers: (inputs: readonly Integers[], node: OnnxNode) => Integers): Operator => ({
  run: (inputs, node) =>
    inputs.some((input) => input instanceof tf.Tensor)
      ? tensors(run).run(inputs, node)
      : integers(inputs as readonly Integers[], node),
});

const arithmetic = (
  run: (a: tf.Tensor, b: tf.Tensor) => tf.Tensor,
  integers: (a: number, b: number) => number,
): Operator => ({
  ...either(
    ([a, b]) => run(a, b),
    ([a, b]) => (b.length === 1 ? a.map((x) => integers(x, b[0])) : b.map((y, i) => integers(a[i % a.length], y))),
  ),
  weights: plainArrays,
});

const axisOf = (axis: number, rank: number) => (axis < 0 ? axis + rank : axis);
const map4D = (x: tf.Tensor, node: OnnxNode): tf.Tensor4D => {
  if (x.rank !== 4)
    throw node.refusal(`has an input of ${x.rank} axes instead of 4; only networks for photos are supported`);
  return x as tf.Tensor4D;
};
const nothing: Operator = { run: ([x]) => x };

export const operators: Readonly<Record<string, Operator>> = {
  Conv: tensors(([x, w, b], node) => convolution(map4D(x, node), w as tf.Tensor4D, b as tf.Tensor1D, node), {
    weights: (node, [, w, b]) => [undefined, w && convolutionLayout(node, w), plain(b)],
    layer: true,
  }),
  BatchNormalization: tensors(
    ([x, scale, offset, mean, variance], node) => {
      const channels = [1, -1, ...x.shape.slice(2).map(() => 1)];
      const slope = tf.mul(scale, tf.rsqrt(tf.add(variance, node.float('epsilon', 1e-5)))); // [C]
      const shift = tf.sub(offset, tf.mul(mean, slope)); // [C]
      return tf.add(tf.mul(x, tf.reshape(slope, channels)), tf.reshape(shift, channels)); // [N, C, …]
    },
    // Mean and variance remain those of the original training data.
    { weights: (_, [, scale, offset]) => [undefined, plain(scale), plain(offset)] },
  ),
  Gemm: tensors(
    ([a, b, c], node) => {
      const product = tf.matMul(a, b, node.int('transA', 0) === 1, node.int('transB', 0) === 1);
      const [alpha, beta] = [node.float('alpha', 1), node.float('beta', 1)];
      const scaled = alpha === 1 ? product : tf.mul(product, alpha);
      return c ? tf.add(scaled, beta === 1 ? c : tf.mul(c, beta)) : scaled;
    },
    { weights: (_, [, b, c]) => [undefined, plain(b), plain(c)], layer: true },
  ),
  MatMul: tensors(([a, b]) => tf.matMul(a, b), { weights: (_, [, b]) => [undefined, plain(b)], layer: true }),
  Add: arithmetic(tf.add, (a, b) => a + b),
  Sub: arithmetic(tf.sub, (a, b) => a - b),
  Mul: arithmetic(tf.mul, (a, b) => a * b),
  Div: arithmetic(tf.div, (a, b) => Math.trunc(a / b)),

  Relu: tensors(([x]) => tf.relu(x)),
  LeakyRelu: tensors(([x], node) => tf.leakyRelu(x, node.float('alpha', 0.01))),
  PRelu: tensors(([x, slope]) => tf.prelu(x, slope), { weights: (_, [, slope]) => [undefined, plain(slope)] }),
  Elu: tensors(([x], node) => {
    if (node.float('alpha', 1) !== 1) throw node.refusal('has an alpha other than 1');
    return tf.elu(x);
  }),
  Clip: tensors(([x, low, high], node) => {
    const bound = (tensor: tf.Tensor | undefined, otherwise: number) => tensor?.dataSync()[0] ?? otherwise;
    const min = bound(low, node.float('min', -3.4e38));
    const max = bound(high, node.float('max', 3.4e38));
    return min === 0 && max === 6 ? tf.relu6(x) : tf.clipByValue(x, min, max);
  }),
  Sigmoid: tensors(([x]) => tf.sigmoid(x)),
  Tanh: tensors(([x]) => tf.tanh(x)),
  HardSigmoid: tensors(([x], node) => hardSigmoid(x, node.float('alpha', 0.2), node.float('beta', 0.5))),
  HardSwish: tensors(([x]) => tf.mul(x, hardSigmoid(x, 1 / 6, 0.5))),

  MaxPool: tensors(([x], node) => maxPool(map4D(x, node), node)),
  AveragePool: tensors(([x], node) => averagePool(map4D(x, node), node)),
  GlobalAveragePool: tensors(([x], node) => tf.mean(map4D(x, node), [2, 3], true)),
  ReduceMean: withIntegers('axes', (x, axes, node) =>
    tf.mean(
      x,
      axes?.map((axis) => axisOf(axis, x.rank)),
      node.int('keepdims', 1) === 1,
    ),
  ),

  Identity: nothing,
  Dropout: nothing,
  Cast: nothing, // all is computed in float32
  Flatten: tensors(([x], node) => {
    const axis = axisOf(node.int('axis', 1), x.rank);
    return tf.reshape(x, [x.shape.slice(0, axis).reduce((a, b) => a * b, 1), -1]);
  }),
  Reshape: withIntegers('shape', (x, shape = []) =>
    tf.reshape(
      x,
      shape.map((d, i) => (d === 0 ? x.shape[i] : d)),
    ),
  ),
  Squeeze: withIntegers('axes', (x, axes) =>
    tf.squeeze(
      x,
      axes?.map((axis) => axisOf(axis, x.rank)),
    ),
  ),
  Unsqueeze: withIntegers('axes', (x, axes = []) =>
    axes
      .map((axis) => axisOf(axis, x.rank + axes.length))
      .sort((a, b) => a - b)
      .reduce((y, axis) => tf.expandDims(y, axis), x),
  ),
  Transpose: tensors(([x], node) => tf.transpose(x, node.ints('perm'))),
  Concat: either(
    (parts, node) => tf.concat([...parts], axisOf(node.int('axis', 1), parts[0].rank)),
    (parts) => parts.flat(),
  ),

  Shape: { run: ([x], node) => (x instanceof tf.Tensor ? x.shape.slice(node.int('start', 0)) : [x.length]) },
  Gather: either(
    (_, node) => {
      throw node.refusal('looks up values of the photo');
    },
    ([values, places]) => places.map((i) => values.at(i)!),
  ),
  Slice: either(
    (_, node) => {
      throw node.refusal('cuts a part out of a map');
    },
    ([values, starts, ends], node) => values.slice((starts ?? node.ints('starts'))[0], (ends ?? node.ints('ends'))[0]),
  ),
};

function hardSigmoid(x: tf.Tensor, alpha: number, beta: number): tf.Tensor {
  return tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1);
}
