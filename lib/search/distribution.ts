import type { SearchConfig } from '../config.js';
import { isWritable } from './stepper.js';
import { noNumber } from './top-words.js';

/** How a decoder's probabilities are changed before words are drawn by them. */
export type Shaping = Pick<SearchConfig, 'temperature' | 'topK' | 'topP'>;

/** Words that may be drawn. */
export interface WordDistribution {
  /** The likeliest first; of equally likely ones the one with the lower number. */
  readonly tokens: readonly number[];
  /** ln p of each; the p sum to 1. */
  readonly logProbabilities: readonly number[];
}

/**
 * The distribution that words are drawn from: probabilities to the power of 1 / temperature, then only the topK likeliest words, then only
 * the likeliest until they have topP of the probability that is left (the nucleus of Holtzman et al. 2020,
 * https://arxiv.org/abs/1904.09751).
 *
 * @param scores [V]; -Infinity is never drawn.
 * @returns no words where none may follow.
 * @throws CaptionerError `numeric` when there is no number.
 */
export function wordDistribution(
  scores: Float32Array,
  { temperature, topK, topP }: Shaping,
  unknown = false,
): WordDistribution {
  const sorted = likeliestFirst(scores, unknown);
  const tokens = topK > 0 ? sorted.slice(0, topK) : sorted;
  if (tokens.length === 0) return { tokens, logProbabilities: [] };
  const greatest = scores[tokens[0]];
  const logs = tokens.map((token) => (scores[token] - greatest) / temperature);
  const total = logs.reduce((sum, log) => sum + Math.exp(log), 0);
  // The nucleus: as few words as have topP of the probability together, but one at least.
  let [nucleus, kept] = [0, 0];
  while (kept < tokens.length && (kept === 0 || topP === 1 || nucleus < topP * total))
    nucleus += Math.exp(logs[kept++]);
  const normalizer = Math.log(nucleus);
  return { tokens: tokens.slice(0, kept), logProbabilities: logs.slice(0, kept).map((log) => log - normalizer) };
}

/** The words that may be written, the likeliest first; of equally likely ones the one with the lower number first. */
function likeliestFirst(scores: Float32Array, unknown: boolean): number[] {
  // The bits of a float32 are in the order of its magnitude. With the word's number behind them, what is to be sorted is numbers without a
  // comparison of our own, which for a whole vocabulary is ten times as fast.
  const bits = new Int32Array(scores.buffer, scores.byteOffset, scores.length);
  const keys = new Float64Array(scores.length);
  let count = 0;
  for (let token = 0; token < scores.length; token++) {
    if (!(scores[token] < Infinity)) throw noNumber(token, scores[token]);
    if (scores[token] === -Infinity || !isWritable(token, unknown)) continue;
    const magnitude = bits[token] & 0x7fffffff;
    keys[count++] = (2 ** 31 + (bits[token] < 0 ? magnitude : -magnitude)) * 2 ** 20 + token;
  }
  return Array.from(keys.subarray(0, count).sort(), (key) => key % 2 ** 20);
}

/** The places of the `count` greatest values, the greatest first. */
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
 * Draws a word from {@link wordDistribution}. Where all words may be drawn they are not sorted, which would take ten times as long.
 *
 * @param scores [V]; -Infinity is never drawn.
 * @param uniform a number from 0 to 1.
 * @returns undefined where no word may follow.
 * @throws CaptionerError `numeric` when there is no number.
 */
export function drawWord(scores: Float32Array, shaping: Shaping, uniform: number, unknown = false): number | undefined {
  const { temperature, topK, topP } = shaping;
  if (topK > 0 || topP < 1) {
    const { tokens, logProbabilities } = wordDistribution(scores, shaping, unknown);
    return tokens[drawIndex(logProbabilities, uniform)];
  }
  let greatest = -Infinity;
  for (let token = 0; token < scores.length; token++) {
    if (!(scores[token] < Infinity)) throw noNumber(token, scores[token]);
    if (scores[token] > greatest && isWritable(token, unknown)) greatest = scores[token];
  }
  const weights = new Float64Array(scores.length);
  let total = 0;
  for (let token = 0; token < scores.length; token++) {
    if (isWritable(token, unknown)) total += weights[token] = Math.exp((scores[token] - greatest) / temperature);
  }
  let left = uniform * total;
  let drawn: number | undefined;
  for (let token = 0; token < scores.length && left >= 0; token++) {
    if (weights[token] > 0) drawn = token;
    left -= weights[token];
  }
  return drawn;
}

/** Draws by a number from 0 to 1. @returns a place in `logProbabilities`. */
export function drawIndex(logProbabilities: readonly number[], uniform: number): number {
  let left = uniform;
  const index = logProbabilities.findIndex((logProbability) => (left -= Math.exp(logProbability)) < 0);
  return index < 0 ? logProbabilities.length - 1 : index;
}
