import type { Random } from '../random.js';
import { scoreNames, type CaptionScores, type CaptionStatistics, type ScoreName } from './statistics.js';

/** Where a score may lie, other photos of the same kind given. */
export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface BootstrapOptions {
  /** Samples of photos to draw. Default 1,000. */
  readonly resamples?: number;
  /** The share of them that an interval holds. Default .95. */
  readonly level?: number;
}

/**
 * Intervals of the scores by the percentile bootstrap (Efron and Tibshirani 1993, chapter 13): as many photos as there are are drawn with
 * replacement, again and again, and scored; the interval holds the middle 95 % of these scores.
 *
 * It says how much the choice of photos matters. It does not know of another seed of training, another search or other references.
 * CIDEr counts how rare n-grams are over the references of all photos, whichever are drawn.
 */
export function bootstrapIntervals(
  statistics: CaptionStatistics,
  random: Random,
  { resamples = 1000, level = 0.95 }: BootstrapOptions = {},
): Record<ScoreName, Interval> {
  const drawn = Array.from({ length: resamples }, () => statistics.corpus(drawPhotos(statistics.photos, random)));
  return byScore((name) => middle(drawn.map((scores) => scores[name]), level)); // prettier-ignore
}

/** As many of n photos as there are, with replacement. */
export function drawPhotos(n: number, random: Random): Uint32Array {
  const drawn = new Uint32Array(n);
  for (let i = 0; i < n; i++) drawn[i] = random.integer(n);
  return drawn;
}

/** The interval that holds the middle `level` of the values, its ends interpolated between values (Hyndman and Fan 1996, type 7). */
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

/** Something of each score. */
export function byScore<T>(of: (name: ScoreName) => T): Record<ScoreName, T> {
  return Object.fromEntries(scoreNames.map((name) => [name, of(name)])) as Record<keyof CaptionScores, T>;
}
