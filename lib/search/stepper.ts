import { Vocabulary } from '../text/vocabulary.js';

/** A decoder that is advanced one word at a time, batched over rows: the rows are photos, or the beams of photos. */
export interface Stepper<State> {
  /** V: log-probabilities are given for the words 0 to V - 1. */
  readonly vocabularySize: number;
  /** The state before the first word. `features`: [rows, D]. */
  start(features: Float32Array, rows: number): Promise<State>;
  /**
   * Feeds each row its next word, `<start>` at first. `tokens`: [rows].
   * @returns ln p of each word that may follow, [rows, V], and the state after `tokens`.
   */
  step(state: State, tokens: Int32Array): Promise<{ logProbabilities: Float32Array; state: State }>;
  /**
   * As {@link step}, for a search that looks at the likeliest words alone: of thousands of words, those are far less to hand over.
   * @returns the `count` likeliest words that may follow each row.
   */
  stepLikeliest?(state: State, tokens: Int32Array, count: number): Promise<{ likeliest: LikeliestWords; state: State }>;
  /** The state of some rows, in this order, repeats allowed. */
  gather(state: State, rows: Int32Array): State;
  /** Frees a state that is not needed any more, where the garbage collector does not. */
  dispose?(state: State): void;
}

/** The likeliest words of each row, the likeliest first; of equally likely ones the one with the lower number. */
export interface LikeliestWords {
  readonly count: number;
  /** [rows, count] */
  readonly tokens: Int32Array;
  /** ln p of each, [rows, count]. */
  readonly logProbabilities: Float32Array;
}

/** A caption as a search found it. */
export interface Hypothesis {
  /** Its words, without `<start>` and `<end>`. */
  readonly tokens: readonly number[];
  /** ln p of the caption: the sum over its words and `<end>`. */
  readonly logProbability: number;
  /** What it is ranked by: {@link lengthNormalized}. */
  readonly score: number;
  /** False when it was cut at the greatest length before its `<end>`, which is then not part of its probability. */
  readonly finished: boolean;
  /** ln p of each word given those before, and of `<end>` where it is finished. */
  readonly tokenLogProbabilities: readonly number[];
}

/** How many words there are that a search may not write, see {@link isWritable}: the special ones but `<end>`. */
export const unwritable = Vocabulary.SPECIALS - 1;

/**
 * Whether a search may write a word: never `<pad>` and `<start>`, which are no words, and `<unk>`, which tells a reader nothing, only where it
 * is asked for. Their probability is not shared out among the others: a caption keeps the probability that the decoder gives it.
 */
export function isWritable(token: number, unknown = false): boolean {
  return token === Vocabulary.END || token > Vocabulary.UNK || (unknown && token === Vocabulary.UNK);
}

/**
 * log-probability / length^penalty, with `<end>` counted in the length. Penalty 0 ranks by probability, which prefers short
 * captions; 1 by the mean per word.
 */
export function lengthNormalized(logProbability: number, length: number, penalty: number): number {
  return penalty === 0 ? logProbability : logProbability / Math.max(1, length) ** penalty;
}

/** The probability of a caption given the photo, in [0, 1]. */
export function probability({ logProbability }: Pick<Hypothesis, 'logProbability'>): number {
  return Math.exp(logProbability);
}

/** The share of each caption in the probability of all those given (the n best of a photo, say): they sum to 1. */
export function normalizedProbabilities(hypotheses: readonly Pick<Hypothesis, 'logProbability'>[]): number[] {
  const greatest = Math.max(...hypotheses.map(({ logProbability }) => logProbability));
  const shares = hypotheses.map(({ logProbability }) => Math.exp(logProbability - greatest));
  const sum = shares.reduce((total, share) => total + share, 0);
  return shares.map((share) => share / sum);
}
