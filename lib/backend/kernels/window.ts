import { backend_util } from '@tensorflow/tfjs-core';
import type { GraphBuilder } from '../../onnx/graph-builder.js';

export type Size = [height: number, width: number];

/** The movement of a window over an image, for convolution and pooling. */
export interface Window {
  /** Input size in pixels. */
  readonly input: Size;
  /** Number of window positions. */
  readonly output: Size;
  readonly kernel: Size;
  readonly strides: Size;
  readonly dilations: Size;
  /** Padding before the first pixel. */
  readonly before: Size;
  /** Padding after the last pixel, no more than the last window needs. */
  readonly after: Size;
}

type ConvInfo = Pick<
  backend_util.Conv2DInfo,
  | 'inHeight'
  | 'inWidth'
  | 'outHeight'
  | 'outWidth'
  | 'filterHeight'
  | 'filterWidth'
  | 'strideHeight'
  | 'strideWidth'
  | 'dilationHeight'
  | 'dilationWidth'
  | 'padInfo'
>;

/** The window of a TensorFlow.js convolution or pooling. */
export function windowOf(info: ConvInfo): Window {
  const input: Size = [info.inHeight, info.inWidth];
  const output: Size = [info.outHeight, info.outWidth];
  const kernel: Size = [info.filterHeight, info.filterWidth];
  const strides: Size = [info.strideHeight, info.strideWidth];
  const dilations: Size = [info.dilationHeight, info.dilationWidth];
  const before: Size = [info.padInfo.top, info.padInfo.left];
  const spare = ([0, 1] as const).map(
    (i) => (output[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - input[i] - before[i],
  );
  return { input, output, kernel, strides, dilations, before, after: [Math.max(0, spare[0]), Math.max(0, spare[1])] };
}

/** The attributes of Conv, ConvTranspose and MaxPool. */
export function windowAttributes({ kernel, strides, dilations, before, after }: Window) {
  return { kernel_shape: kernel, strides, dilations, pads: [...before, ...after] };
}

/** The attributes of the ConvTranspose from window positions back to input pixels. */
export function transposedAttributes(window: Window) {
  const { input, output, kernel, strides, dilations, before } = window;
  // Pixels that the transposed convolution would give beyond the input's last. Negative: pixels
  // that no window reached.
  const spare = ([0, 1] as const).map(
    (i) => (output[i] - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - before[i] - input[i],
  );
  return {
    kernel_shape: kernel,
    strides,
    dilations,
    pads: [...before, ...spare.map((pixels) => Math.max(0, pixels))],
    output_padding: spare.map((pixels) => Math.max(0, -pixels)),
  };
}

/**
 * The input pixel under each pixel of the window at each position. Padding is the pixel after the
 * last. [output, kernel], both flattened.
 */
export function windowPixels({ input, output, kernel, strides, dilations, before }: Window): Int32Array {
  const [height, width] = input;
  const pixels = new Int32Array(output[0] * output[1] * kernel[0] * kernel[1]);
  let at = 0;
  for (let y = 0; y < output[0]; y++) {
    for (let x = 0; x < output[1]; x++) {
      for (let i = 0; i < kernel[0]; i++) {
        const row = y * strides[0] + i * dilations[0] - before[0];
        for (let j = 0; j < kernel[1]; j++) {
          const column = x * strides[1] + j * dilations[1] - before[1];
          const inside = row >= 0 && row < height && column >= 0 && column < width;
          pixels[at++] = inside ? row * width + column : height * width;
        }
      }
    }
  }
  return pixels;
}

export const channelsFirst = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 3, 1, 2] });
export const channelsLast = (g: GraphBuilder, x: string) => g.node('Transpose', [x], { perm: [0, 2, 3, 1] });
