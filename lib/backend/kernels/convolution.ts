import { backend_util } from '@tensorflow/tfjs-core';
import { DataType } from '../../onnx/protobuf.js';
import type { GraphBuilder, Operand } from '../../onnx/graph-builder.js';
import { activations } from './linear.js';
import { rule, sizeOf, type KernelRule, type Operands } from './rule.js';
import {
  channelsFirst,
  channelsLast,
  transposedAttributes,
  windowAttributes,
  windowOf,
  windowPixels,
  type Window,
} from './window.js';

interface Convolution {
  strides: number | [number, number];
  pad: 'same' | 'valid' | number | backend_util.ExplicitPadding;
  dataFormat?: 'NHWC' | 'NCHW';
  dilations?: number | [number, number];
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

function infoOf(x: readonly number[], filter: readonly number[], a: Convolution, depthwise = false) {
  const format = backend_util.convertConv2DDataFormat(a.dataFormat ?? 'NHWC');
  return backend_util.computeConv2DInfo(
    [...x] as Shape4D,
    [...filter] as Shape4D,
    a.strides,
    a.dilations ?? 1,
    a.pad,
    a.dimRoundingMode,
    depthwise,
    format,
  );
}

// TensorFlow.js stores filters as [height, width, in, out].
const outInHeightWidth = [3, 2, 0, 1];
const inOutHeightWidth = [2, 3, 0, 1];

/** Applies an image operator for channels first to images in either layout. */
function inChannelsFirst(
  g: GraphBuilder,
  x: string,
  { dataFormat = 'NHWC' }: Convolution,
  run: (x: string) => string,
): string {
  return dataFormat === 'NCHW' ? run(x) : channelsLast(g, run(channelsFirst(g, x)));
}

function convolve(g: GraphBuilder, x: Operand, filter: Operand, a: Convolution, finish = (y: string) => y): string {
  const window = windowOf(infoOf(x.shape, filter.shape, a));
  return inChannelsFirst(g, x.name, a, (images) => {
    const weights = g.node('Transpose', [filter.name], { perm: outInHeightWidth });
    return finish(g.node('Conv', [images, weights], windowAttributes(window)));
  });
}

/**
 * The gradient of the input, channels first. With stride 1 it is a convolution with the rotated
 * filter, which is faster than ConvTranspose.
 *
 * @param filter [height, width, in, out], or for `depthwise` [height, width, channels, multiplier].
 */
function inputGradient(g: GraphBuilder, dy: string, filter: Operand, window: Window, depthwise = false): string {
  const { input, output, kernel, before, strides, dilations } = window;
  const [inputs, outputs] = filter.shape.slice(2);
  const pads = [0, 1].map((i) => kernel[i] - 1 - before[i]);
  pads.push(...[0, 1].map((i) => input[i] - output[i] + before[i]));
  const isPlain = [...strides, ...dilations].every((step) => step === 1) && pads.every((pad) => pad >= 0);
  if (!isPlain || (depthwise && outputs > 1)) {
    const weights = depthwise
      ? depthwiseWeights(g, filter)
      : g.node('Transpose', [filter.name], { perm: outInHeightWidth });
    return g.node('ConvTranspose', [dy, weights], {
      ...transposedAttributes(window),
      ...(depthwise && { group: inputs }),
    });
  }
  // Rotated by 180 degrees, a flattened filter is reversed. A transpose of two axes is faster than
  // one of four.
  const pixels = g.node('Reshape', [filter.name, g.ints([kernel[0] * kernel[1], inputs * outputs])]);
  const backwards = g.ints([-1]);
  const turned = g.node('Slice', [pixels, backwards, g.ints([-kernel[0] * kernel[1] - 1]), g.ints([0]), backwards]);
  const transposed = g.node('Transpose', [turned], { perm: [1, 0] }); // [in * out, height * width]
  const weights = g.node('Reshape', [transposed, g.ints([inputs, outputs, ...kernel])]);
  return g.node('Conv', [dy, weights], { kernel_shape: kernel, pads, ...(depthwise && { group: inputs }) });
}

/**
 * The pixels under the window at each position (im2col): [N, positions, kernel height * kernel
 * width * channels].
 */
function patches(g: GraphBuilder, x: Operand, { dataFormat = 'NHWC' }: Convolution, window: Window): string {
  const { input, output, kernel, strides, before, after } = window;
  const last = dataFormat === 'NCHW' ? channelsLast(g, x.name) : x.name;
  const channels = dataFormat === 'NCHW' ? x.shape[1] : x.shape[3];
  let pixels = g.node('Reshape', [last, g.ints([0, input[0] * input[1], channels])]); // [N, H * W, C]
  const places = output[0] * output[1];
  const size = kernel[0] * kernel[1];
  if (size === 1 && places === input[0] * input[1] && strides[0] === 1 && strides[1] === 1) return pixels;
  // One extra pixel of zeros stands for the padding. Gather copies on all cores; Pad, Slice and
  // Concat do not.
  if ([...before, ...after].some((pad) => pad > 0)) pixels = g.node('Pad', [pixels, g.ints([0, 0, 0, 0, 1, 0])]);
  const indices = g.constant(DataType.int32, [places, size], windowPixels(window));
  const windows = g.node('Gather', [pixels, indices], { axis: 1 }); // [N, places, size, C]
  return g.node('Reshape', [windows, g.ints([0, places, size * channels])]);
}

/** The gradient of the filter: the matrix product of dY and the input's patches, [out, in * size]. */
function filterGradient(g: GraphBuilder, x: Operand, dy: Operand, a: Convolution, window: Window): string {
  const { output, kernel } = window;
  const first = a.dataFormat === 'NCHW';
  const [inputs, outputs] = first ? [x.shape[1], dy.shape[1]] : [x.shape[3], dy.shape[3]];
  const places = output[0] * output[1];
  const columns = patches(g, x, a, window); // [N, places, width]
  const width = kernel[0] * kernel[1] * inputs;
  let product: string; // [out, width]
  if (first && places > 2 * outputs) {
    // One product per image, then their sum: dY keeps its layout, and the sums are small compared
    // with the patches.
    const slopes = g.node('Reshape', [dy.name, g.ints([0, outputs, places])]);
    const products = g.node('MatMul', [slopes, columns]); // [N, out, width]
    product = g.node('ReduceSum', [products, g.ints([0])], { keepdims: 0 });
  } else {
    const turned = g.node('Transpose', [dy.name], { perm: first ? [1, 0, 2, 3] : [3, 0, 1, 2] });
    const slopes = g.node('Reshape', [turned, g.ints([outputs, -1])]);
    product = g.node('Gemm', [slopes, g.node('Reshape', [columns, g.ints([-1, width])])]);
  }
  return g.node('Reshape', [g.node('Transpose', [product], { perm: [1, 0] }), g.ints([...kernel, inputs, outputs])]);
}

/**
 * The filter [height, width, channels, multiplier] of a depthwise convolution in the layout of
 * ONNX, [channels * multiplier, 1, height, width].
 */
function depthwiseWeights(g: GraphBuilder, { name, shape: [height, width, channels, multiplier] }: Operand): string {
  const turned = g.node('Transpose', [name], { perm: inOutHeightWidth });
  return g.node('Reshape', [turned, g.ints([channels * multiplier, 1, height, width])]);
}

/**
 * The gradient of a depthwise filter, from images [N, C, H, W]. Each channel of each image is
 * convolved with its output gradient as the filter, which gives one number per filter pixel.
 */
function depthwiseFilterGradient(
  g: GraphBuilder,
  x: string,
  dy: string,
  batch: number,
  [height, width, channels, multiplier]: readonly number[],
  window: Window,
): string {
  const { input, output, strides, dilations, before, after } = window;
  const images = g.node('Reshape', [x, g.ints([1, batch * channels, ...input])]);
  const slopes = g.node('Reshape', [dy, g.ints([batch * channels * multiplier, 1, ...output])]);
  let products = g.node('Conv', [images, slopes], {
    kernel_shape: output,
    strides: dilations,
    dilations: strides,
    pads: [...before, ...after],
    group: batch * channels,
  });
  // If no window reached the last pixels, the result is larger than the filter.
  products = g.node('Slice', [products, g.ints([0, 0]), g.ints([height, width]), g.ints([2, 3])]);
  const each = g.node('Reshape', [products, g.ints([batch, channels * multiplier, height * width])]);
  const sums = g.node('ReduceSum', [each, g.ints([0])], { keepdims: 0 });
  const turned = g.node('Transpose', [sums], { perm: [1, 0] });
  return g.node('Reshape', [turned, g.ints([height, width, channels, multiplier])]);
}

// TensorFlow.js' own depthwise kernels support channels last only.
function depthwiseWindow(x: readonly number[], filter: readonly number[], a: Convolution): Window {
  if (a.dataFormat === 'NCHW') throw new Error('depthwise convolutions need images with channels last');
  return windowOf(infoOf(x, filter, a, true));
}

/** Multiplications of a convolution: output size times filter size. */
const forwardWork = ({ x, filter }: Operands, a: Convolution) => {
  const { batchSize, outHeight, outWidth } = infoOf(x.shape, filter.shape, a);
  return batchSize * outHeight * outWidth * sizeOf(filter.shape);
};
const depthwiseWork = ({ x, filter }: Operands) => (sizeOf(x.shape) * sizeOf(filter.shape)) / x.shape[3];
const gradientWork = ({ dy }: Operands, filter: readonly number[], { dataFormat }: Convolution) =>
  (sizeOf(dy.shape) * sizeOf(filter)) / dy.shape[dataFormat === 'NCHW' ? 1 : 3];

interface Fused extends Convolution {
  activation: string;
  leakyreluAlpha?: number;
}

export const convolutions: Record<string, KernelRule> = {
  Conv2D: rule<Convolution>((g, { x, filter }, a) => convolve(g, x, filter, a), { threaded: true, work: forwardWork }),

  FusedConv2D: rule<Fused>(
    (g, { x, filter, bias, preluActivationWeights: slope }, a) => {
      // Per-channel numbers, broadcast over height and width.
      const perChannel = ({ name, shape }: Operand) =>
        shape.length === 1 && shape[0] > 1 ? g.node('Reshape', [name, g.ints([-1, 1, 1])]) : name;
      if ([bias, slope].some((operand) => operand && operand.shape.length > 1))
        throw new Error('bias and slopes must be one number, or one per channel');
      return convolve(g, x, filter, a, (y) => {
        const sum = bias ? g.node('Add', [y, perChannel(bias)]) : y;
        return activations[a.activation](g, sum, a.leakyreluAlpha, slope && perChannel(slope));
      });
    },
    { threaded: true, work: forwardWork },
  ),

  Conv2DBackpropInput: rule<Convolution & { inputShape: number[] }>(
    (g, { dy, filter }, a) => {
      const window = windowOf(infoOf(a.inputShape, filter.shape, a));
      return inChannelsFirst(g, dy.name, a, (slopes) => inputGradient(g, slopes, filter, window));
    },
    { threaded: true, work: (inputs, a) => gradientWork(inputs, inputs.filter.shape, a) },
  ),

  Conv2DBackpropFilter: rule<Convolution & { filterShape: number[] }>(
    (g, { x, dy }, a) => filterGradient(g, x, dy, a, windowOf(infoOf(x.shape, a.filterShape, a))),
    { threaded: true, work: (inputs, a) => gradientWork(inputs, a.filterShape, a) },
  ),

  DepthwiseConv2dNative: rule<Convolution>(
    (g, { x, filter }, a) => {
      const window = depthwiseWindow(x.shape, filter.shape, a);
      return inChannelsFirst(g, x.name, a, (images) =>
        g.node('Conv', [images, depthwiseWeights(g, filter)], {
          ...windowAttributes(window),
          group: filter.shape[2],
        }),
      );
    },
    { threaded: true, work: depthwiseWork },
  ),

  DepthwiseConv2dNativeBackpropInput: rule<Convolution & { inputShape: number[] }>(
    (g, { dy, filter }, a) => {
      const window = depthwiseWindow(a.inputShape, filter.shape, a);
      return inChannelsFirst(g, dy.name, a, (slopes) => inputGradient(g, slopes, filter, window, true));
    },
    { threaded: true },
  ),

  DepthwiseConv2dNativeBackpropFilter: rule<Convolution & { filterShape: number[] }>(
    (g, { x, dy }, a) => {
      const window = depthwiseWindow(x.shape, a.filterShape, a);
      const [images, slopes] = [channelsFirst(g, x.name), channelsFirst(g, dy.name)];
      return depthwiseFilterGradient(g, images, slopes, x.shape[0], a.filterShape, window);
    },
    { threaded: true },
  ),
};
