import * as tf from '@tensorflow/tfjs-core';
import type { OnnxNode } from './onnx-node.js';

/**
 * Convolutions and poolings of ONNX in TensorFlow.js:
 * https://onnx.ai/onnx/operators/onnx__Conv.html. Maps are [N, C, h, w]. Operations that
 * TensorFlow.js supports only with channels last are transposed before and after.
 */

/** The movement of a window over a map: [down, across] each; padding is [[above, below], [left, right]]. */
interface Window {
  readonly kernel: readonly [number, number];
  readonly strides: [number, number];
  readonly pads: readonly [[number, number], [number, number]];
}

/** @param w as {@link convolutionLayout} has it. */
export function convolution(x: tf.Tensor4D, w: tf.Tensor4D, b: tf.Tensor1D | undefined, node: OnnxNode): tf.Tensor4D {
  const [down, across] = node.ints('dilations') ?? [1, 1];
  const filter = spread(spread(w, 0, down), 1, across); // [kh, kw, …]
  const window = windowOf(node, x, [filter.shape[0], filter.shape[1]]);
  const { map, pad } = padded(x, window, 0);
  const { strides } = window;
  const groups = node.int('group', 1);
  let y: tf.Tensor4D; // [N, O, h', w']
  if (groups === 1) y = tf.conv2d(map, filter, strides, pad, 'NCHW');
  else if (groups === x.shape[1]) {
    y = channelsLast(map, (last) => tf.depthwiseConv2d(last, filter, strides, pad));
  } else {
    const filters = tf.split<tf.Tensor4D>(filter, groups, 3); // [kh, kw, I / g, O / g] each
    const parts = tf.split<tf.Tensor4D>(map, groups, 1); // [N, I / g, h, w] each
    const convolved = parts.map((part, i) => tf.conv2d(part, filters[i], strides, pad, 'NCHW'));
    y = tf.concat(convolved, 1);
  }
  return b ? tf.add(y, tf.reshape(b, [1, -1, 1, 1])) : y;
}

/**
 * ONNX's weights [O, I / g, kh, kw] are TensorFlow.js' [kh, kw, I / g, O], or [kh, kw, I, O / I] for
 * depthwise filters.
 *
 * @returns the shape to read them in, and the order of its axes.
 */
export function convolutionLayout(node: OnnxNode, [O, I, kh, kw]: readonly number[]) {
  const groups = node.int('group', 1);
  return groups > 1 && I === 1
    ? { shape: [groups, O / groups, kh, kw], order: [2, 3, 0, 1] }
    : { shape: [O, I, kh, kw], order: [2, 3, 1, 0] };
}

export function maxPool(x: tf.Tensor4D, node: OnnxNode): tf.Tensor4D {
  const window = poolingOf(node, x);
  const { map, pad } = padded(x, window, -3e38);
  return channelsLast(map, (last) => tf.maxPool(last, [...window.kernel], window.strides, pad));
}

export function averagePool(x: tf.Tensor4D, node: OnnxNode): tf.Tensor4D {
  const { kernel, strides, pads } = poolingOf(node, x);
  const isPadded = pads.flat().some((size) => size > 0);
  if (!isPadded && kernel[0] === x.shape[2] && kernel[1] === x.shape[3]) return tf.mean(x, [2, 3], true);
  const pool = (map: tf.Tensor4D) =>
    channelsLast(tf.pad(map, [[0, 0], [0, 0], ...pads]), (last) => tf.avgPool(last, [...kernel], strides, 'valid'));
  const means = isPadded ? pool(x) : channelsLast(x, (last) => tf.avgPool(last, [...kernel], strides, 'valid'));
  if (!isPadded || (node.int('count_include_pad', 0) === 1 && node.int('ceil_mode', 0) === 0)) return means;
  if (node.int('count_include_pad', 0) === 1) throw node.refusal('counts padding, and has ceil_mode');
  // The mean excludes padding, unlike the gradient of TensorFlow.js' own pooling.
  return tf.div(means, pool(tf.ones([1, 1, x.shape[2], x.shape[3]])));
}

function poolingOf(node: OnnxNode, x: tf.Tensor4D): Window {
  if (node.ints('dilations')?.some((d) => d !== 1)) throw node.refusal('has dilations');
  const [height, width] = node.ints('kernel_shape')!;
  return windowOf(node, x, [height, width]);
}

function windowOf(node: OnnxNode, x: tf.Tensor4D, kernel: readonly [number, number]): Window {
  const strides = node.ints('strides') ?? [1, 1];
  const explicit = node.ints('pads') ?? [0, 0, 0, 0];
  const auto = node.text('auto_pad', 'NOTSET');
  const pads = [0, 1].map((axis): [number, number] => {
    const size = x.shape[2 + axis];
    if (auto === 'SAME_UPPER' || auto === 'SAME_LOWER') {
      const total = Math.max(0, (Math.ceil(size / strides[axis]) - 1) * strides[axis] + kernel[axis] - size);
      const [less, more] = [Math.floor(total / 2), Math.ceil(total / 2)];
      return auto === 'SAME_UPPER' ? [less, more] : [more, less];
    }
    const [before, after] = auto === 'VALID' ? [0, 0] : [explicit[axis], explicit[2 + axis]];
    // Rounded up, there may be one more place, whose window begins within the map or its padding before.
    const rest = (size + before + after - kernel[axis]) % strides[axis];
    const extra = node.int('ceil_mode', 0) === 1 && rest > 0 ? strides[axis] - rest : 0;
    const begins = size + before + after + extra - kernel[axis];
    return [before, extra > 0 && begins < size + before ? after + extra : after];
  });
  return { kernel, strides: [strides[0], strides[1]], pads: [pads[0], pads[1]] };
}

/**
 * Pads a map. TensorFlow.js applies equal padding on all sides itself; other padding is added to
 * the map.
 */
function padded(x: tf.Tensor4D, window: Window, value: number): { map: tf.Tensor4D; pad: number | 'valid' } {
  const { kernel, strides, pads } = window;
  const sizes = pads.flat();
  if (sizes.every((size) => size === 0)) return { map: x, pad: 'valid' };
  const square = kernel[0] === kernel[1] && strides[0] === strides[1];
  if (square && sizes.every((size) => size === sizes[0])) return { map: x, pad: sizes[0] };
  return { map: tf.pad(x, [[0, 0], [0, 0], ...pads], value), pad: 'valid' };
}

function channelsLast(x: tf.Tensor4D, run: (x: tf.Tensor4D) => tf.Tensor4D): tf.Tensor4D {
  return tf.transpose(run(tf.transpose(x, [0, 2, 3, 1])), [0, 3, 1, 2]);
}

/** Zeros between the rows (axis 0) or columns (axis 1) of a filter: TensorFlow.js has no gradient of dilated convolutions. */
function spread(w: tf.Tensor4D, axis: 0 | 1, dilation: number): tf.Tensor4D {
  const size = w.shape[axis];
  if (dilation === 1 || size === 1) return w;
  const before = axis === 0 ? 1 : w.shape[0];
  const rows = tf.reshape(w, [before, size, 1, -1]);
  const spaced = tf.reshape(
    tf.pad(rows, [
      [0, 0],
      [0, 0],
      [0, dilation - 1],
      [0, 0],
    ]),
    [before, size * dilation, -1],
  );
  const length = (size - 1) * dilation + 1;
  const shape = w.shape.map((d, i) => (i === axis ? length : d)) as [number, number, number, number];
  return tf.reshape(tf.slice(spaced, [0, 0, 0], [-1, length, -1]), shape);
}
