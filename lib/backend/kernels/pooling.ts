import { backend_util } from '@tensorflow/tfjs-core';
import { DataType } from '../../onnx/protobuf.js';
import { rule, sizeOf, type KernelRule } from './rule.js';
import {
  channelsFirst,
  channelsLast,
  transposedAttributes,
  windowAttributes,
  windowOf,
  type Window,
} from './window.js';

interface Pool {
  filterSize: number | [number, number];
  strides: number | [number, number];
  pad: 'same' | 'valid' | number | backend_util.ExplicitPadding;
  dimRoundingMode?: 'floor' | 'round' | 'ceil';
}

type Shape4D = [number, number, number, number];

/** The window of a pooling kernel, which TensorFlow.js defines for channels last. */
function poolWindow(x: readonly number[], { filterSize, strides, pad, dimRoundingMode }: Pool): Window {
  return windowOf(backend_util.computePool2DInfo([...x] as Shape4D, filterSize, strides, 1, pad, dimRoundingMode));
}

export const pooling: Record<string, KernelRule> = {
  MaxPool: rule<Pool>((g, { x }, a) => {
    const attributes = windowAttributes(poolWindow(x.shape, a));
    return channelsLast(g, g.node('MaxPool', [channelsFirst(g, x.name)], attributes));
  }),

  // The gradient goes to the first maximum of each window.
  MaxPoolGrad: rule<Pool>((g, { dy, input }, a) => {
    const [batch, height, width, channels] = input.shape;
    const attributes = windowAttributes(poolWindow(input.shape, a));
    const [, places] = g.nodeOf(2, 'MaxPool', [channelsFirst(g, input.name)], attributes);
    const flat = (x: string) => g.node('Reshape', [x, g.ints([-1])]);
    const zeros = g.node('ConstantOfShape', [g.ints([sizeOf(input.shape)])]);
    const slopes = flat(channelsFirst(g, dy.name));
    const sums = g.node('ScatterElements', [zeros, flat(places), slopes], { axis: 0, reduction: 'add' });
    return channelsLast(g, g.node('Reshape', [sums, g.ints([batch, channels, height, width])]));
  }),

  AvgPool: rule<Pool>((g, { x }, a) => {
    const { kernel_shape, strides, pads } = windowAttributes(poolWindow(x.shape, a));
    return channelsLast(g, g.node('AveragePool', [channelsFirst(g, x.name)], { kernel_shape, strides, pads }));
  }),

  // As in TensorFlow.js, padding counts in the gradient, but not in the mean.
  AvgPoolGrad: rule<Pool>((g, { dy, input }, a) => {
    const window = poolWindow(input.shape, a);
    const [height, width] = window.kernel;
    const channels = input.shape[3];
    const shares = new Float32Array(channels * height * width).fill(1 / (height * width));
    const weights = g.constant(DataType.float, [channels, 1, height, width], shares);
    const attributes = { ...transposedAttributes(window), group: channels };
    return channelsLast(g, g.node('ConvTranspose', [channelsFirst(g, dy.name), weights], attributes));
  }),
};
