import { Vocabulary } from '../text/vocabulary.js';
import type { Prefix, NextWords } from './caption-search.js';
import type { Requirements } from './requirements.js';

/** What a processor may know of a prefix. */
export type Written = Pick<Prefix, 'tokens'>;

/**
 * Says which words may follow a prefix by changing their scores in place: -Infinity is never written, less is written less
 * readily. `scores`, [V], begin as the decoder's ln p. A caption's probability stays the decoder's own, whatever the scores were.
 */
export type ScoreProcessor = (scores: Float32Array, prefix: Written) => void;

/** What captions must be like, beside likely. */
export interface SearchRules {
  /** Applied to what may follow each prefix, one after the other. */
  readonly processors: readonly ScoreProcessor[];
  /** Whether `<unk>` may be written. Default: no. */
  readonly unknown?: boolean;
  /** What each caption must have; {@link endsAfterAll} must be among the processors. */
  readonly requirements?: Requirements;
}

/** No rules: the likeliest captions. */
export const noRules: SearchRules = { processors: [] };

/** A caption has at least `words` words. */
export function minLength(words: number): ScoreProcessor {
  return (scores, { tokens }) => {
    if (tokens.length < words) scores[Vocabulary.END] = -Infinity;
  };
}

/**
 * No `size` words occur twice in a caption in the same order (Paulus et al. 2017, https://arxiv.org/abs/1705.04304, section 2.5).
 * @param except words that may follow a prefix all the same.
 */
export function noRepeatNgram(size: number, except?: (prefix: Written) => readonly number[]): ScoreProcessor {
  return (scores, prefix) => {
    const { tokens } = prefix;
    const last = tokens.length - size + 1; // where the last size - 1 words begin
    if (last < 1) return;
    const spared = except?.(prefix) ?? [];
    for (let at = 0; at < last; at++) {
      const token = tokens[at + size - 1];
      if (occursAt(tokens, at, tokens, last, size - 1) && !spared.includes(token)) scores[token] = -Infinity;
    }
  };
}

/** No caption has one of these phrases, words by number; a phrase may be one word. */
export function forbidden(phrases: readonly (readonly number[])[]): ScoreProcessor {
  return (scores, { tokens }) => {
    for (const phrase of phrases) {
      const before = phrase.length - 1;
      if (before <= tokens.length && occursAt(tokens, tokens.length - before, phrase, 0, before)) {
        scores[phrase[before]] = -Infinity;
      }
    }
  };
}

/** A caption ends only when all that is required is in it. */
export function endsAfterAll(requirements: Requirements): ScoreProcessor {
  return (scores, { tokens }) => {
    if (requirements.met(tokens) < requirements.total) scores[Vocabulary.END] = -Infinity;
  };
}

/** The scores of what may follow a prefix, by the decoder and then by the processors. A new array, [V]. */
export function scoresOf(next: NextWords, prefix: Prefix, processors: readonly ScoreProcessor[]): Float32Array {
  const offset = prefix.row * next.vocabularySize;
  const scores = next.logProbabilities.slice(offset, offset + next.vocabularySize);
  for (const process of processors) process(scores, prefix);
  return scores;
}

/** Whether `length` words of `phrase`, from `from` on, stand in `tokens` from `at` on. */
function occursAt(
  tokens: readonly number[],
  at: number,
  phrase: readonly number[],
  from: number,
  length: number,
): boolean {
  for (let i = 0; i < length; i++) if (tokens[at + i] !== phrase[from + i]) return false;
  return true;
}
