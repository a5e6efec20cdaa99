import { Vocabulary } from '../text/vocabulary.js';
import type { Prefix, NextWords } from './caption-search.js';
import type { Requirements } from './requirements.js';
import type { NextWord } from './top-words.js';

/** The part of a prefix that a processor may read. */
export type Written = Pick<Prefix, 'tokens'>;

/**
 * Changes the scores of the words that may follow a prefix, in place. -Infinity forbids a word; a
 * lower score makes it less likely. `scores`, [V], start as the decoder's log-probabilities. The
 * probability reported for a caption stays the decoder's own.
 */
export type ScoreProcessor = (scores: Float32Array, prefix: Written) => void;

/** Constraints on captions, besides their probability. */
export interface SearchRules {
  /** Applied in order to the predictions after each prefix. */
  readonly processors: readonly ScoreProcessor[];
  /**
   * The most words that the processors forbid after a prefix of `length` words, if they change no other score. A search then needs a
   * few of the decoder's likeliest words, not its whole distribution. Undefined if their number is not bounded.
   */
  readonly mostForbidden?: ((length: number) => number) | undefined;
  /** Whether `<unk>` may be written. Default false. */
  readonly unknown?: boolean;
  /** Phrases that each caption must contain. {@link endsAfterAll} must be among the processors. */
  readonly requirements?: Requirements;
}

/** No constraints. */
export const noRules: SearchRules = { processors: [], mostForbidden: () => 0 };

/** Forbids captions of fewer than `words` words. */
export function minLength(words: number): ScoreProcessor {
  return (scores, { tokens }) => {
    if (tokens.length < words) scores[Vocabulary.END] = -Infinity;
  };
}

/**
 * Forbids repeated n-grams of `size` words (Paulus et al. 2017, https://arxiv.org/abs/1705.04304,
 * section 2.5).
 * @param except words that may follow a prefix anyway.
 */
export function noRepeatNgram(size: number, except?: (prefix: Written) => readonly number[]): ScoreProcessor {
  return (scores, prefix) => {
    const { tokens } = prefix;
    const last = tokens.length - size + 1; // start of the last size - 1 words
    if (last < 1) return;
    const spared = except?.(prefix) ?? [];
    for (let at = 0; at < last; at++) {
      const token = tokens[at + size - 1];
      if (occursAt(tokens, at, tokens, last, size - 1) && !spared.includes(token)) scores[token] = -Infinity;
    }
  };
}

/**
 * Forbids words that the caption already has, to prevent "a bathroom with a sink and a sink".
 * @param repeatable ids of the words that may occur again: the function words of the language.
 */
export function noRepeatWords(
  repeatable: ReadonlySet<number>,
  except?: (prefix: Written) => readonly number[],
): ScoreProcessor {
  return (scores, prefix) => {
    const spared = except?.(prefix) ?? [];
    for (const token of prefix.tokens) {
      if (!repeatable.has(token) && !spared.includes(token)) scores[token] = -Infinity;
    }
  };
}

/** Forbids phrases, given as token ids. A phrase may be one word. */
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

/** Forbids `<end>` until the caption contains all that is required. */
export function endsAfterAll(requirements: Requirements): ScoreProcessor {
  return (scores, { tokens }) => {
    if (requirements.met(tokens) < requirements.total) scores[Vocabulary.END] = -Infinity;
  };
}

/**
 * The scores of the next word after a prefix: the decoder's, changed by the processors. A new
 * array, [V].
 */
export function scoresOf(next: NextWords, prefix: Prefix, processors: readonly ScoreProcessor[]): Float32Array {
  const offset = prefix.row * next.vocabularySize;
  const scores = next.logProbabilities.slice(offset, offset + next.vocabularySize);
  for (const process of processors) process(scores, prefix);
  return scores;
}

/**
 * The likeliest words that the rules allow, taken from a few of the decoder's likeliest words. For
 * rules that forbid a bounded number of words.
 */
export class AllowedWords {
  /** 0 for each word, or -Infinity for one that may not follow the prefix at hand, [V]. Reused. */
  private allowed?: Float32Array;

  constructor(private readonly rules: SearchRules) {}

  /**
   * Number of likeliest words to read after `length` words, so that `count` of them are allowed.
   * Undefined if the rules may forbid any number.
   */
  toRead(count: number, length: number): number | undefined {
    const forbidden = this.rules.mostForbidden?.(length);
    return forbidden === undefined ? undefined : count + forbidden;
  }

  /** The `count` likeliest words that may follow a prefix, most likely first. */
  after(prefix: Prefix, next: NextWords, count: number): NextWord[] {
    const { processors, unknown } = this.rules;
    if (processors.length === 0) return next.top(prefix.row, count, unknown);
    const allowed = (this.allowed ??= new Float32Array(next.vocabularySize)).fill(0);
    for (const process of processors) process(allowed, prefix);
    return next.top(prefix.row, count, unknown, allowed);
  }
}

/** Whether `length` words of `phrase`, starting at `from`, stand in `tokens` at `at`. */
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
