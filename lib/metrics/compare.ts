import type { Random } from '../random.js';
import { byScore, drawPhotos, middle, type BootstrapOptions, type Interval } from './bootstrap.js';
import type { CaptionScores, CaptionStatistics, ScoreName } from './statistics.js';

/** One score of two captioners on the same photos. */
export interface ScoreComparison {
  readonly a: number;
  readonly b: number;
  /** b - a. */
  readonly difference: number;
  /** Of the difference, by paired bootstrap. */
  readonly interval: Interval;
  /**
   * Two-sided p by paired bootstrap (Koehn 2004): twice the share of resamples of the photos in which the better one is not better.
   * 1 where there is no difference.
   */
  readonly bootstrap: number;
  /**
   * p by approximate randomisation (Noreen 1989; Riezler and Maxwell 2005): how often a difference as large comes about where each photo's two
   * captions are swapped at random, that is, where it does not matter who wrote which.
   */
  readonly randomisation: number;
}

/** Differences that arithmetic alone makes. */
const rounding = 1e-12;

/**
 * Compares two captioners by their captions of the same photos, in the same order. Both p count the observed outcome among the drawn ones, so
 * that with 1,000 of them they are at least 1 / 1,001. Six scores are six tests: look at the one that was decided on before.
 *
 * @throws RangeError where they are not of as many photos.
 */
export function compareStatistics(
  a: CaptionStatistics,
  b: CaptionStatistics,
  random: Random,
  { resamples = 1000, level = 0.95 }: BootstrapOptions = {},
): Record<ScoreName, ScoreComparison> {
  const photos = a.photos;
  if (b.photos !== photos) throw new RangeError(`${photos} photos can't be compared with ${b.photos}`);
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
