import type { Random } from '../random.js';
import { byScore, drawPhotos, middle, type BootstrapOptions, type Interval } from './bootstrap.js';
import type { CaptionScores, CaptionStatistics, ScoreName } from './statistics.js';

/** One score of two captioners on the same photos. */
export interface ScoreComparison {
  readonly a: number;
  readonly b: number;
  /** b - a. */
  readonly difference: number;
  /** Confidence interval of the difference, by paired bootstrap. */
  readonly interval: Interval;
  /**
   * Two-sided p-value by paired bootstrap (Koehn 2004): twice the share of resamples in which the
   * better captioner is not better. 1 if there is no difference.
   */
  readonly bootstrap: number;
  /**
   * p-value by approximate randomisation (Noreen 1989; Riezler and Maxwell 2005): how often a
   * difference as large arises if the two captions of each photo are swapped at random, that is,
   * under the hypothesis that the captioners are equally good.
   */
  readonly randomisation: number;
}

/** Largest difference attributed to rounding. */
const rounding = 1e-12;

/**
 * Compares two captioners by their captions of the same photos, in the same order. Both p-values
 * count the observed outcome among the resamples, so with 1,000 resamples they are at least 1 /
 * 1,001. Six scores are six tests: decide beforehand which one counts.
 *
 * @throws RangeError if the numbers of photos differ.
 */
export function compareStatistics(
  a: CaptionStatistics,
  b: CaptionStatistics,
  random: Random,
  { resamples = 1000, level = 0.95 }: BootstrapOptions = {},
): Record<ScoreName, ScoreComparison> {
  const photos = a.photos;
  if (b.photos !== photos)
    throw new RangeError(`Statistics of ${photos} photos can't be compared with statistics of ${b.photos}`);
  const [scoresA, scoresB] = [a.corpus(), b.corpus()];
  const drawn: Differences[] = [];
  const swapped: Differences[] = [];
  for (let i = 0; i < resamples; i++) {
    const sample = drawPhotos(photos, random);
    drawn.push(differences(a.corpus(sample), b.corpus(sample)));
    const swaps = Uint8Array.from({ length: photos }, () => random.integer(2));
    swapped.push(differences(a.corpusWith(b, swaps), b.corpusWith(a, swaps)));
  }
  return byScore((name) => {
    const difference = scoresB[name] - scoresA[name];
    const notBetter = drawn.filter((sample) => Math.sign(difference) * sample[name] <= rounding).length;
    const asLarge = swapped.filter((sample) => Math.abs(sample[name]) >= Math.abs(difference) - rounding).length;
    return {
      a: scoresA[name],
      b: scoresB[name],
      difference,
      interval: middle(
        drawn.map((sample) => sample[name]),
        level,
      ),
      bootstrap: Math.min(1, (2 * (notBetter + 1)) / (resamples + 1)),
      randomisation: (asLarge + 1) / (resamples + 1),
    };
  });
}

type Differences = Record<ScoreName, number>;

function differences(a: CaptionScores, b: CaptionScores): Differences {
  return byScore((name) => b[name] - a[name]);
}
