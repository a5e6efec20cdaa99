import * as tf from '@tensorflow/tfjs-core';
import type { ConvNetConfig } from '../../config.js';
import { Random } from '../../random.js';
import { batchNormTraining } from './batch-norm.js';
import { transposed } from '../../onnx/constants.js';
import type { Parameter } from '../parameters.js';
import { createVariables, disposeVariables, type Variables } from '../variables.js';

/** A convolution without bias, batch normalisation, and optionally ReLU. */
interface Layer {
  readonly name: string;
  readonly kernel: number;
  readonly stride: number;
  readonly inputs: number;
  readonly outputs: number;
}

/** A sequence of layers. `residual` adds the input before the last ReLU (He et al. 2016). */
interface Block {
  readonly layers: readonly Layer[];
  readonly residual: boolean;
}

/** Term that keeps the division in batch normalisation finite. */
export const epsilon = 1e-5;
/** Decay of the running mean and variance. */
const momentum = 0.98;

/** Stages of residual blocks, each at half the resolution of the previous one. */
const stages = 3;

/** The network's blocks, from the photo to the head: [N, 3, S, S] -> [N, 8 W, S / 32, S / 32]. */
function convNetBlocks({ width, blocks }: Pick<ConvNetConfig, 'width' | 'blocks'>): Block[] {
  const layer = (name: string, kernel: number, stride: number, inputs: number, outputs: number): Layer => ({
    name,
    kernel,
    stride,
    inputs,
    outputs,
  });
  const plain = (each: Layer): Block => ({ layers: [each], residual: false });
  // Layers at high resolution are the most expensive, so the stem reduces it to a quarter at once.
  const all = [plain(layer('stem/a', 7, 4, 3, width)), plain(layer('stem/b', 3, 1, width, width))];
  for (let s = 0; s < stages; s++) {
    const inputs = width * 2 ** s;
    const C = 2 * inputs;
    all.push(plain(layer(`stage${s}/down`, 3, 2, inputs, C)));
    for (let b = 0; b < blocks; b++) {
      const name = (part: string) => `stage${s}/block${b}/${part}`;
      all.push({ layers: [layer(name('a'), 3, 1, C, C), layer(name('b'), 3, 1, C, C)], residual: true });
    }
  }
  return all;
}

/** The network's convolutions, from the photo to the head. */
export const convNetLayers = (config: Pick<ConvNetConfig, 'width' | 'blocks'>): { readonly name: string }[] =>
  convNetBlocks(config).flatMap(({ layers }) => layers);

/** Every array of a network with `dimension` features. */
function convNetParameters(config: Pick<ConvNetConfig, 'width' | 'blocks'>, dimension: number): Parameter[] {
  const blocks = convNetBlocks(config);
  const layers = blocks.flatMap(({ layers }) => layers);
  const closing = new Set(blocks.filter(({ residual }) => residual).map(({ layers }) => layers.at(-1)!));
  const channels = layers.at(-1)!.outputs;
  return [
    ...layers.flatMap((layer): Parameter[] => {
      const { name, kernel, inputs, outputs } = layer;
      // A block begins as the identity: its last scale is 0 (Goyal et al. 2017).
      const scale = closing.has(layer) ? 'zeros' : 'ones';
      return [
        { name: `${name}/kernel`, shape: [kernel, kernel, inputs, outputs], initializer: 'he', trainable: true },
        { name: `${name}/scale`, shape: [outputs], initializer: scale, trainable: true },
        { name: `${name}/shift`, shape: [outputs], initializer: 'zeros', trainable: true },
        { name: `${name}/mean`, shape: [outputs], initializer: 'zeros', trainable: false },
        { name: `${name}/variance`, shape: [outputs], initializer: 'ones', trainable: false },
      ];
    }),
    { name: 'head/kernel', shape: [1, 1, channels, dimension], initializer: 'he', trainable: true },
    { name: 'head/bias', shape: [dimension], initializer: 'zeros', trainable: true },
    { name: 'head/offset', shape: [dimension], initializer: 'zeros', trainable: false },
    { name: 'features/mean', shape: [dimension], initializer: 'zeros', trainable: false },
    { name: 'features/std', shape: [dimension], initializer: 'ones', trainable: false },
  ];
}

/**
 * A compact residual network (after He et al. 2016) that turns photos into feature vectors: a stem and three stages of plain
 * 3 x 3 convolutions, each stage at half the resolution with twice the channels, then a head: a 1 x 1 convolution with ReLU and a
 * mean over all places. MobileNetV2 (Sandler et al. 2018) ends in the same way, so this network can learn its features. An offset
 * follows ReLU where a teacher has features below zero.
 *
 * Photos have the channels first, [N, 3, S, S], normalised.
 */
export class ConvNet {
  /** Every array by its name in checkpoints; those that are `trainable` are for the optimiser. */
  readonly variables: Variables;
  private readonly blocks: readonly Block[];

  constructor(
    config: Pick<ConvNetConfig, 'width' | 'blocks'>,
    /** Length of a feature vector. */
    readonly dimension: number,
    {
      random = new Random(1),
      given = new Map<string, Float32Array>(),
    }: { readonly random?: Random; readonly given?: ReadonlyMap<string, Float32Array> } = {},
  ) {
    this.blocks = convNetBlocks(config);
    this.variables = createVariables(convNetParameters(config, dimension), given, random);
  }

  /**
   * Standardised features, as compared in training. The running means and variances are updated
   * with those of the batch.
   * @param photos [N, 3, S, S]
   * @returns [N, D]
   */
  learn(photos: tf.Tensor4D): tf.Tensor2D {
    const batchNormalised = (x: tf.Tensor4D, { name, stride }: Layer) => {
      const { [`${name}/kernel`]: kernel, [`${name}/scale`]: scale, [`${name}/shift`]: shift } = this.variables;
      const convolved = convolve(x, kernel as tf.Tensor4D, stride);
      const { y, mean, variance } = batchNormTraining(convolved, scale as tf.Tensor1D, shift as tf.Tensor1D, epsilon);
      for (const [statistic, value] of Object.entries({ mean, variance })) {
        const running = this.variables[`${name}/${statistic}`];
        running.assign(tf.add(tf.mul(running, momentum), tf.mul(value, 1 - momentum)));
      }
      return y;
    };
    return this.forward(photos, batchNormalised, this.head).features;
  }

  /**
   * Sets the statistics of the normalisations to the means and variances of `photos`, without
   * changing the function that the network computes with its running statistics. Use it for a
   * network that has lost them, or continues with other photos.
   * @param photos [N, 3, S, S]
   */
  calibrate(photos: tf.Tensor4D): void {
    tf.tidy(() => {
      const calibrated = (x: tf.Tensor4D, { name, stride }: Layer) => {
        const [kernel, scale, shift, mean, variance] = ['kernel', 'scale', 'shift', 'mean', 'variance'].map(
          (part) => this.variables[`${name}/${part}`],
        );
        const convolved = convolve(x, kernel as tf.Tensor4D, stride);
        const now = tf.moments(convolved, [0, 2, 3]); // [C] each
        // The scale of one unit of the convolution's output.
        const factor = tf.mul(scale, tf.rsqrt(tf.add(variance, epsilon))); // [C]
        const offset = tf.sub(shift, tf.mul(mean, factor)); // [C]
        scale.assign(tf.mul(factor, tf.sqrt(tf.add(now.variance, epsilon))));
        shift.assign(tf.add(offset, tf.mul(now.mean, factor)));
        mean.assign(now.mean);
        variance.assign(now.variance);
        return tf.add<tf.Tensor4D>(tf.mul(convolved, perChannel(factor)), perChannel(offset));
      };
      this.forward(photos, calibrated, this.head);
    });
  }

  /**
   * The network for inference. Each normalisation, with its running mean and variance, is folded
   * into the preceding convolution.
   */
  folded(): {
    readonly weights: Map<string, FoldedWeight>;
    run(photos: tf.Tensor4D, from: Variables): ConvNetOutput;
  } {
    const weights = new Map<string, FoldedWeight>();
    const values = (name: string) => this.variables[name].dataSync<'float32'>();
    for (const { name, kernel, inputs, outputs } of this.blocks.flatMap(({ layers }) => layers)) {
      const [scale, shift, mean, variance] = ['scale', 'shift', 'mean', 'variance'].map((part) =>
        values(`${name}/${part}`),
      );
      const factor = scale.map((x, c) => x / Math.sqrt(variance[c] + epsilon));
      const folded = values(`${name}/kernel`).map((x, i) => x * factor[i % outputs]);
      // The layout of filters in ONNX: [outputs, inputs, height, width].
      const stored = transposed({ shape: [kernel, kernel, inputs, outputs], data: folded }, [3, 2, 0, 1]);
      weights.set(`${name}/kernel`, stored);
      weights.set(`${name}/bias`, { shape: [1, outputs, 1, 1], data: shift.map((x, c) => x - mean[c] * factor[c]) });
    }
    // The head learns in standard deviations; ReLU keeps a positive scale.
    const std = values('features/std');
    const { shape } = this.variables['head/kernel'];
    const kernel = values('head/kernel').map((x, i) => x * std[i % this.dimension]);
    const bias = values('head/bias').map((x, i) => x * std[i]);
    weights.set('head/kernel', transposed({ shape, data: kernel }, [3, 2, 0, 1]));
    weights.set('head/bias', { shape: [1, this.dimension, 1, 1], data: bias });
    const offset = values('head/offset');
    if (offset.some((x) => x !== 0)) weights.set('head/offset', { shape: [1, this.dimension, 1, 1], data: offset });
    return {
      weights,
      run: (photos, from) =>
        this.forward(
          photos,
          (x, { name, stride }) => foldedConvolution(x, name, stride, from),
          (x) => {
            const map = tf.relu(foldedConvolution(x, 'head', 1, from));
            return from['head/offset'] ? tf.add(map, from['head/offset']) : map;
          },
        ),
    };
  }

  dispose(): void {
    disposeVariables(this.variables);
  }

  /** The map that is averaged, standardised: [N, C, h, w] -> [N, D, h, w]. */
  private readonly head = (x: tf.Tensor4D): tf.Tensor4D => {
    const { 'head/kernel': kernel, 'head/bias': bias, 'head/offset': offset } = this.variables;
    const { 'features/mean': mean, 'features/std': std } = this.variables;
    const activated = tf.relu(tf.add(convolve(x, kernel as tf.Tensor4D, 1), perChannel(bias)));
    return tf.add(activated, perChannel(tf.div(tf.sub(offset, mean), std)));
  };

  private forward(
    photos: tf.Tensor4D,
    layer: (x: tf.Tensor4D, layer: Layer) => tf.Tensor4D,
    head: (x: tf.Tensor4D) => tf.Tensor4D,
  ): ConvNetOutput {
    let x = photos;
    for (const { layers, residual } of this.blocks) {
      const y = layers.reduce((from, each, i) => layer(i ? tf.relu(from) : from, each), x);
      x = tf.relu(residual ? tf.add<tf.Tensor4D>(x, y) : y);
    }
    const map = head(x); // [N, D, S / 32, S / 32]
    return { map, features: tf.mean<tf.Tensor2D>(map, [2, 3]) };
  }
}

interface ConvNetOutput {
  /** The map that is averaged over all places: [N, D, S / 32, S / 32]. */
  readonly map: tf.Tensor4D;
  /** [N, D] */
  readonly features: tf.Tensor2D;
}

interface FoldedWeight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/** A convolution with weights as ONNX stores them: `kernel` [outputs, inputs, height, width] and `bias` [1, outputs, 1, 1]. */
function foldedConvolution(x: tf.Tensor4D, name: string, stride: number, from: Variables): tf.Tensor4D {
  const kernel = tf.transpose<tf.Tensor4D>(from[`${name}/kernel`] as tf.Tensor4D, [2, 3, 1, 0]);
  return tf.add(convolve(x, kernel, stride), from[`${name}/bias`]);
}

/** [C] -> [1, C, 1, 1] */
const perChannel = (values: tf.Tensor): tf.Tensor => tf.reshape(values, [1, -1, 1, 1]);

/** The same padding on all sides, as PyTorch does: stride 2 then halves the resolution of any even size. */
function convolve(x: tf.Tensor4D, kernel: tf.Tensor4D, stride: number): tf.Tensor4D {
  return tf.conv2d(x, kernel, stride, (kernel.shape[0] - 1) / 2, 'NCHW', 1, 'floor');
}
