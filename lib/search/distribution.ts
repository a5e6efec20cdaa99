import type { SearchConfig } from '../config.js';
import { isWritable } from './stepper.js';
import { notANumber } from './top-words.js';

/** Options that reshape the decoder's distribution before sampling. */
export type Shaping = Pick<SearchConfig, 'temperature' | 'topK' | 'topP'>;

/** The words that may be sampled. */
export interface WordDistribution {
  /** Most likely first; ties by token id. */
  readonly tokens: readonly number[];
  /** Log-probability of each. The probabilities sum to 1. */
  readonly logProbabilities: readonly number[];
}

/**
 * The distribution that words are sampled from: probabilities to the power of 1 / temperature, cut
 * to the topK likeliest words, then to the fewest words that hold topP of the remaining probability
 * (nucleus sampling, Holtzman et al. 2020, https://arxiv.org/abs/1904.09751).
 *
 * @param scores [V]; -Infinity is never sampled.
 * @returns no words if none may follow.
 * @throws CaptionerError `numeric` if a score is not a number.
 */
export function wordDistribution(
  scores: Float32Array,
  { temperature, topK, topP }: Shaping,
  unknown = false,
): WordDistribution {
  const sorted = likeliestFirst(scores, unknown);
  const tokens = topK > 0 ? sorted.slice(0, topK) : sorted;
  return shaped(
    tokens,
    tokens.map((token) => scores[token]),
    { temperature, topP },
  );
}

/**
 * The distribution over the words given, shaped by temperature and topP.
 * @param scores of the words, greatest first.
 */
export function shaped(
  tokens: readonly number[],
  scores: readonly number[],
  { temperature, topP }: Omit<Shaping, 'topK'>,
): WordDistribution {
  if (tokens.length === 0) return { tokens, logProbabilities: [] };
  const logs = scores.map((score) => (score - scores[0]) / temperature);
  const total = logs.reduce((sum, log) => sum + Math.exp(log), 0);
  // The nucleus: the fewest words that together hold topP of the probability, but at least one.
  let [nucleus, kept] = [0, 0];
  while (kept < tokens.length && (kept === 0 || topP === 1 || nucleus < topP * total))
    nucleus += Math.exp(logs[kept++]);
  const normalizer = Math.log(nucleus);
  return { tokens: tokens.slice(0, kept), logProbabilities: logs.slice(0, kept).map((log) => log - normalizer) };
}

/** The words that may be written, most likely first, ties by token id. */
function likeliestFirst(scores: Float32Array, unknown: boolean): number[] {
  // The bits of a float32 sort like its magnitude. With the token id appended, typed-array sorting
  // needs no comparison function, which is ten times as fast for a whole vocabulary.
  const bits = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  const keys = new Float64Array(scores.length);
  let count = 0;
  for (let token = 0; token < scores.length; token++) {
    if (!(scores[token] < Infinity)) throw notANumber(token, scores[token]);
    if (scores[token] === -Infinity || !isWritable(token, unknown)) continue;
    const magnitude = bits[token] & 0x7fffffff;
    keys[count++] = (2 ** 31 + (bits[token] < 0 ? magnitude : -magnitude)) * 2 ** 20 + token;
  }
  return Array.from(keys.subarray(0, count).sort(), (key) => key % 2 ** 20);
}

/** Indices of the `count` greatest values, greatest first. */
export function greatestPlaces(values: ArrayLike<number>, count: number): number[] {
  const places: number[] = [];
  for (let i = 0; i < values.length; i++) {
    if (places.length === count && values[i] <= values[places[count - 1]]) continue;
    if (places.length === count) places.pop();
    let at = places.length;
    while (at > 0 && values[places[at - 1]] < values[i]) at--;
    places.splice(at, 0, i);
  }
  return places;
}

/**
 * Samples a word from {@link wordDistribution}. Without topK and topP it skips sorting, which would
 * take ten times as long.
 *
 * @param scores [V]; -Infinity is never sampled.
 * @param uniform a number in [0, 1).
 * @returns undefined if no word may follow.
 * @throws CaptionerError `numeric` if a score is not a number.
 */
export function sampleWord(
  scores: Float32Array,
  shaping: Shaping,
  uniform: number,
  unknown = false,
): number | undefined {
  const { temperature, topK, topP } = shaping;
  if (topK > 0 || topP < 1) {
    const { tokens, logProbabilities } = wordDistribution(scores, shaping, unknown);
    return tokens[sampleIndex(logProbabilities, uniform)];
  }
  let greatest = -Infinity;
  for (let token = 0; token < scores.length; token++) {
    if (!(scores[token] < Infinity)) throw notANumber(token, scores[token]);
    if (scores[token] > greatest && isWritable(token, unknown)) greatest = scores[token];
  }
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let token = 0; token < scores.length; token++) {
    if (isWritable(token, unknown)) total += weights[token] = Math.exp((scores[token] - greatest) / temperature);
  }
  return sampleWeighted(weights, total, uniform);
}

/**
 * The place at which the sum of the weights up to it exceeds a share of their total.
 * @param weights not negative.
 * @param uniform the share, in [0, 1).
 * @returns undefined if all weights are 0, or the total is not a number.
 */
export function sampleWeighted(weights: ArrayLike<number>, total: number, uniform: number): number | undefined {
  let left = uniform * total;
  let sampled: number | undefined;
  for (let place = 0; place < weights.length && left >= 0; place++) {
    if (weights[place] > 0) sampled = place;
    left -= weights[place];
  }
  return sampled;
}

/** The index in `logProbabilities` that a uniform number in [0, 1) selects. */
export function sampleIndex(logProbabilities: readonly number[], uniform: number): number {
  let left = uniform;
  const index = logProbabilities.findIndex((logProbability) => (left -= Math.exp(logProbability)) < 0);
  return index < 0 ? logProbabilities.length - 1 : index;
}
