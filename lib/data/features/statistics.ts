import { CaptionerError } from '../../errors.js';
import type { FeatureStore } from './store.js';

/** Mean, standard deviation and minimum of each feature, [D] each. */
export interface FeatureStatistics {
  readonly mean: Float32Array;
  readonly std: Float32Array;
  readonly minimum: Float32Array;
}

/**
 * The standard deviation by which a feature is divided. Its variance is increased by 1e-5, as in batch normalisation, so that an almost
 * constant feature is not amplified.
 * @param meanSquare the mean of the feature's squares.
 */
export function featureDeviation(mean: number, meanSquare: number): number {
  return Math.sqrt(Math.max(0, meanSquare - mean ** 2) + 1e-5);
}

/**
 * Computes mean, standard deviation (see {@link featureDeviation}) and minimum of each feature over photos.
 * @throws CaptionerError `numeric`: features that are not finite, naming the photo.
 */
export function featureStatistics(
  features: FeatureStore,
  photos: readonly { readonly id: string }[],
): FeatureStatistics {
  const D = features.dimension;
  const [sum, squares] = [new Float64Array(D), new Float64Array(D)];
  const minimum = new Float32Array(D).fill(Infinity);
  const row = new Float32Array(D);
  for (const { id } of photos) {
    features.read(id, row);
    for (let i = 0; i < D; i++) {
      sum[i] += row[i];
      squares[i] += row[i] * row[i];
      minimum[i] = Math.min(minimum[i], row[i]);
    }
    if (!row.every(Number.isFinite)) {
      throw new CaptionerError(
        'numeric',
        `The features of ${id} are not all finite numbers. Delete the features, and extract them again.`,
      );
    }
  }
  const mean = sum.map((x) => x / photos.length);
  const std = squares.map((x, i) => featureDeviation(mean[i], x / photos.length));
  return { mean: Float32Array.from(mean), std: Float32Array.from(std), minimum };
}
