import type { Random } from '../random.js';
import { scoreNames, type CaptionScores, type CaptionStatistics, type ScoreName } from './statistics.js';

/** A confidence interval of a score over the choice of photos. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

/** Options of {@link bootstrapIntervals}. */
export interface BootstrapOptions {
  /** Number of resamples. Default 1,000. */
  readonly resamples?: number;
  /** Confidence level. Default .95. */
  readonly level?: number;
}

/**
 * Confidence intervals of the scores by the percentile bootstrap (Efron and Tibshirani 1993,
 * chapter 13). It resamples the photos with replacement, scores each resample, and takes the middle
 * 95 % of the scores.
 *
 * The interval covers the choice of photos only, not another training seed, search or set of
 * references. CIDEr's document frequencies stay those of all photos.
 */
export function bootstrapIntervals(
  statistics: CaptionStatistics,
  random: Random,
  { resamples = 1000, level = 0.95 }: BootstrapOptions = {},
): Record<ScoreName, Interval> {
  const drawn = Array.from({ length: resamples }, () => statistics.corpus(drawPhotos(statistics.photos, random)));
  return byScore((name) => middle(drawn.map((scores) => scores[name]), level)); // prettier-ignore
}

/** Samples n of n photos with replacement. */
export function drawPhotos(n: number, random: Random): Uint32Array {
  const drawn = new Uint32Array(n);
  for (let i = 0; i < n; i++) drawn[i] = random.integer(n);
  return drawn;
}

/**
 * The interval that holds the middle `level` of the values, with interpolated ends (Hyndman and Fan
 * 1996, type 7).
 */
export function middle(values: readonly number[], level: number): Interval {
  const sorted = Float64Array.from(values).sort();
  return { low: quantile(sorted, (1 - level) / 2), high: quantile(sorted, (1 + level) / 2) };
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const below = Math.floor(place);
  const above = Math.min(sorted.length - 1, below + 1);
  return sorted[below] + (place - below) * (sorted[above] - sorted[below]);
}

/** A record with one value per score. */
export function byScore<T>(of: (name: ScoreName) => T): Record<ScoreName, T> {
  return Object.fromEntries(scoreNames.map((name) => [name, of(name)])) as Record<keyof CaptionScores, T>;
}
