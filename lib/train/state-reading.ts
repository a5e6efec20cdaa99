import * as tf from '@tensorflow/tfjs-core';
import type { FeatureStore } from '../data/features.js';
import type { EncoderIdentity } from '../data/features.js';
import { sha256OfBytes } from '../data/checksum.js';
import { checkEncoder, findCheckpoint, loadCheckpoint } from '../model/checkpoint.js';
import { createVariable } from '../model/variables.js';

/**
 * What a captioner reads of its encoder's features: the initial state of its decoder is linear in them. Some directions of the
 * features move it much, most hardly at all; two feature vectors are alike to this captioner as far as their states are.
 */
export interface StateReading {
  /** State of features, [D, S]: each column's weights of the features as they are. Constants do not matter to differences. */
  readonly kernel: Float32Array;
  /** S */
  readonly size: number;
  /** Of the kernel: tells two readings apart. */
  readonly sha256: string;
}

/**
 * The reading of the checkpoint in `folder`.
 * @throws CaptionerError `mismatch`: its encoder is another one than `encoder`; and what loading a checkpoint throws.
 */
export function readingOf(folder: string, encoder: EncoderIdentity): StateReading {
  const { config, weights } = loadCheckpoint(findCheckpoint(folder));
  checkEncoder(config, encoder, "The teacher's features");
  const { shape, data } = weights.get('init/kernel')!;
  const size = shape[1];
  const std = weights.get('features/std')?.data;
  const kernel = std ? data.map((x, i) => x / std[Math.floor(i / size)]) : data.slice();
  return { kernel, size, sha256: sha256OfBytes(new Uint8Array(kernel.buffer)) };
}

/** How far apart standardised features are for a {@link StateReading}, in units of how far photos are from their mean. */
export class StateDistance {
  /** [D, S], frozen. */
  private readonly kernel: tf.Variable;

  /**
   * @param std by which the features are standardised, [D].
   * @param photos whose states' variance is the unit.
   */
  constructor(
    reading: StateReading,
    std: Float32Array,
    features: FeatureStore,
    photos: readonly { readonly id: string }[],
  ) {
    const { kernel, size: S } = reading;
    const D = std.length;
    const unit = 1 / Math.sqrt(stateVariance(reading, features, photos));
    const scaled = kernel.map((x, i) => x * std[Math.floor(i / S)] * unit);
    this.kernel = createVariable(scaled, [D, S], false, 'states/kernel');
  }

  /**
   * The mean over rows of the squared distance: 1 where nothing is known of the photos but their mean, 0 where all is.
   * @param a standardised features, [N, D]
   * @param b the same
   */
  between(a: tf.Tensor2D, b: tf.Tensor2D): tf.Scalar {
    const difference = tf.matMul(tf.sub<tf.Tensor2D>(a, b), this.kernel as unknown as tf.Tensor2D); // [N, S]
    return tf.mean(tf.sum(tf.square(difference), 1));
  }

  dispose(): void {
    this.kernel.dispose();
  }
}

/** Photos that the variance is estimated from: each costs a product of a row and a matrix. */
const MOST_PHOTOS = 1024;

/** The mean squared distance of the photos' states from their mean. */
function stateVariance(
  { kernel, size: S }: StateReading,
  features: FeatureStore,
  photos: readonly { readonly id: string }[],
): number {
  const some = photos.filter((_, i) => i % Math.ceil(photos.length / MOST_PHOTOS) === 0);
  const D = features.dimension;
  const rows = new Float32Array(some.length * D);
  some.forEach(({ id }, row) => features.read(id, rows, row * D));
  return tf.tidy(() => {
    const states = tf.matMul(tf.tensor2d(rows, [some.length, D]), tf.tensor2d(kernel, [D, S])); // [N, S]
    return tf.sum(tf.moments(states, 0).variance).dataSync()[0];
  });
}
