import { lengthNormalized } from '../../lib/search/stepper.js';
import { END, type CountingStepper } from './table.js';

/** A caption that a decoder can write. */
export interface PossibleCaption {
  readonly tokens: readonly number[];
  /** Sum over its words and `<end>`. */
  readonly logProbability: number;
  readonly score: number;
}

/** Every caption there is of at most `maxLength` words, best first. */
export function everyCaption(
  stepper: CountingStepper,
  photo: number,
  { maxLength, lengthPenalty }: { maxLength: number; lengthPenalty: number },
): PossibleCaption[] {
  const found: PossibleCaption[] = [];
  const extend = (tokens: readonly number[], sofar: number) => {
    const next = stepper.probabilities({ photo, tokens }).map((p) => Math.fround(Math.log(p)));
    const logProbability = sofar + next[END];
    found.push({ tokens, logProbability, score: lengthNormalized(logProbability, tokens.length + 1, lengthPenalty) });
    if (tokens.length === maxLength) return;
    for (let word = 4; word < next.length; word++) extend([...tokens, word], sofar + next[word]);
  };
  extend([], 0);
  return found.sort((a, b) => b.score - a.score);
}

/**
 * With what probability a caption is sampled when each word is sampled by its probability: texts (the words with spaces between) and their
 * probabilities, which sum to 1. One of `maxLength` words is sampled whether it ends there or is cut.
 * @param shape what becomes of the probabilities of the next words before one is sampled, [V]; they are made to sum to 1 after it.
 */
export function samplingProbabilities(
  stepper: CountingStepper,
  photo: number,
  maxLength: number,
  shape: (probabilities: number[]) => number[] = (same) => same,
): Map<string, number> {
  const found = new Map<string, number>();
  const extend = (tokens: readonly number[], sofar: number) => {
    if (tokens.length === maxLength) {
      found.set(tokens.join(' '), sofar);
      return;
    }
    const writable = stepper.probabilities({ photo, tokens }).map((p, token) => (token === END || token > 3 ? p : 0));
    const shaped = shape(writable);
    const sum = shaped.reduce((total, p) => total + p, 0);
    shaped.forEach((p, token) => {
      if (p === 0) return;
      if (token === END) found.set(tokens.join(' '), (sofar * p) / sum);
      else extend([...tokens, token], (sofar * p) / sum);
    });
  };
  extend([], 1);
  return found;
}

/**
 * Pearson's test of whether what was counted agrees with probabilities.
 * @returns the statistic over what it exceeds in one of a thousand cases: far below 1 is agreement, above 1 none.
 */
export function chiSquare(counts: ReadonlyMap<string, number>, probabilities: ReadonlyMap<string, number>): number {
  const sampled = [...counts.values()].reduce((sum, count) => sum + count, 0);
  for (const outcome of counts.keys()) if (!probabilities.has(outcome)) return Infinity;
  let [statistic, bins, rareExpected, rareCount] = [0, 0, 0, 0];
  for (const [outcome, p] of probabilities) {
    const [expected, count] = [p * sampled, counts.get(outcome) ?? 0];
    if (expected < 5) {
      rareExpected += expected;
      rareCount += count;
      continue;
    }
    statistic += (count - expected) ** 2 / expected;
    bins++;
  }
  if (rareExpected >= 5) {
    statistic += (rareCount - rareExpected) ** 2 / rareExpected;
    bins++;
  }
  const freedom = bins - 1;
  // The quantile by Wilson and Hilferty 1931.
  const critical = freedom * (1 - 2 / (9 * freedom) + 3.0902 * Math.sqrt(2 / (9 * freedom))) ** 3;
  return statistic / critical;
}

/** Frequency of each text. */
export function tally(texts: Iterable<string>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const text of texts) counts.set(text, (counts.get(text) ?? 0) + 1);
  return counts;
}
