import { Vocabulary } from '../text/vocabulary.js';

/**
 * A decoder that is advanced one word at a time, for a batch of rows. A row is a photo or a beam of
 * a photo.
 */
export interface Stepper<State> {
  /** V: words 0 to V - 1 have log-probabilities. */
  readonly vocabularySize: number;
  /** The initial state. `features`: [rows, D]. */
  start(features: Float32Array, rows: number): Promise<State>;
  /**
   * Feeds each row its next word, `<start>` first. `tokens`: [rows].
   * @returns the log-probabilities of the next word, [rows, V], and the state after `tokens`.
   */
  step(state: State, tokens: Int32Array): Promise<{ logProbabilities: Float32Array; state: State }>;
  /**
   * {@link step} for a search that reads the likeliest words only, which saves copying the whole
   * distribution.
   * @returns the `count` likeliest words of each row.
   */
  stepLikeliest?(state: State, tokens: Int32Array, count: number): Promise<{ likeliest: LikeliestWords; state: State }>;
  /** The state of the given rows, in this order. Repeats are allowed. */
  gather(state: State, rows: Int32Array): State;
  /** Frees a state, for decoders whose states are not garbage-collected. */
  dispose?(state: State): void;
}

/** A decoder that can be released, whatever it consists of. */
export interface CaptionDecoder extends Stepper<unknown> {
  /** Frees its memory. */
  release(): Promise<void>;
}

/** The likeliest words of each row, most likely first; ties by token id. */
export interface LikeliestWords {
  readonly count: number;
  /** [rows, count] */
  readonly tokens: Int32Array;
  /** Log-probabilities, [rows, count]. */
  readonly logProbabilities: Float32Array;
}

/** A caption found by a search. */
export interface Hypothesis {
  /** Token ids, without `<start>` and `<end>`. */
  readonly tokens: readonly number[];
  /** Log-probability of the caption: the sum over its words and `<end>`. */
  readonly logProbability: number;
  /** Ranking score, see {@link lengthNormalized}. */
  readonly score: number;
  /** False if it was cut off at the maximum length. Its probability then excludes `<end>`. */
  readonly finished: boolean;
  /** Log-probability of each word given those before it, and of `<end>` if finished. */
  readonly tokenLogProbabilities: readonly number[];
}

/**
 * Number of words that a search may not write (see {@link isWritable}): the special tokens except
 * `<end>`.
 */
export const unwritable = Vocabulary.SPECIALS - 1;

/**
 * Whether a search may write a word: never `<pad>` and `<start>`, and `<unk>` only on request.
 * Their probability is not redistributed: a caption keeps the probability that the decoder gives
 * it.
 */
export function isWritable(token: number, unknown = false): boolean {
  return token === Vocabulary.END || token > Vocabulary.UNK || (unknown && token === Vocabulary.UNK);
}

/**
 * Log-probability / length^penalty, where the length includes `<end>`. Penalty 0 ranks by
 * probability, which favours short captions; penalty 1 ranks by the mean per word.
 */
export function lengthNormalized(logProbability: number, length: number, penalty: number): number {
  return penalty === 0 ? logProbability : logProbability / Math.max(1, length) ** penalty;
}

/** The probability of a caption given the photo, in [0, 1]. */
export function probability({ logProbability }: Pick<Hypothesis, 'logProbability'>): number {
  return Math.exp(logProbability);
}

/**
 * The share of each caption in the total probability of those given, such as the n best of a photo.
 * The shares sum to 1.
 */
export function normalizedProbabilities(hypotheses: readonly Pick<Hypothesis, 'logProbability'>[]): number[] {
  const greatest = Math.max(...hypotheses.map(({ logProbability }) => logProbability));
  const shares = hypotheses.map(({ logProbability }) => Math.exp(logProbability - greatest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}
