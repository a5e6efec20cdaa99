import { Vocabulary } from '../text/vocabulary.js';
import { lengthNormalized, unwritable, type Hypothesis, type Stepper } from './stepper.js';
import { topOf, topWords, type NextWord } from './top-words.js';

/** A prefix of a caption, and where its state is. */
export interface Prefix {
  /** Unique within the search of one photo; 0 is the empty prefix, from which all come. */
  readonly id: number;
  readonly tokens: readonly number[];
  readonly tokenLogProbabilities: readonly number[];
  readonly logProbability: number;
  /** What it competes by for a place among the live ones. */
  readonly rank: number;
  /** The row of the stepper's state that it continues. */
  row: number;
}

/** What may follow each row of a state. */
export interface NextWords {
  /** ln p of each word, [rows, V]: for searches that look at all. */
  readonly logProbabilities: Float32Array;
  readonly vocabularySize: number;
  /** The `count` likeliest words of a row, as {@link topWords} gives them. */
  top(row: number, count: number, unknown?: boolean): NextWord[];
}

/** The search for the captions of one photo, whatever its method: {@link runBatch} advances those of many photos at a time. */
export interface CaptionSearch {
  /** After each prefix it looks at so many of the likeliest words by {@link NextWords.top} and at nothing else; at all where this is left out. */
  readonly topK?: number;
  /** The prefixes that are pursued, all of the same length. */
  readonly live: readonly Prefix[];
  /**
   * Continues the live prefixes by a word: `next` has what may follow each at its {@link Prefix.row}.
   * @returns whether the search goes on.
   */
  advance(next: NextWords): boolean;
  /** What was found when it does not go on any more, best first. */
  captions(): Hypothesis[];
}

/** The empty prefix, with which a search starts. */
export function emptyPrefix(): Prefix {
  return { id: 0, tokens: [], tokenLogProbabilities: [], logProbability: 0, rank: 0, row: 0 };
}

/**
 * Runs the searches of many photos: one call of `step` advances all prefixes of all photos that are not done.
 *
 * @param features [searches, D] row-major, a row for each photo.
 * @param searches one for each photo, not yet begun.
 * @returns the captions of each photo.
 */
export async function runBatch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  searches: readonly CaptionSearch[],
): Promise<Hypothesis[][]> {
  if (searches.length === 0) return [];
  const topK = searches.reduce((most, search) => Math.max(most, search.topK ?? Infinity), 0);
  let state: State = await stepper.start(features, searches.length);
  let rows = searches.length; // of `state`
  try {
    searches.forEach(({ live }, row) => {
      for (const prefix of live) prefix.row = row;
    });
    let going = searches;
    while (going.length > 0) {
      const live = going.flatMap((photo) => photo.live);
      if (live.length !== rows || live.some(({ row }, i) => row !== i)) {
        const gathered = stepper.gather(
          state,
          Int32Array.from(live, ({ row }) => row),
        );
        stepper.dispose?.(state);
        state = gathered;
        rows = live.length;
        live.forEach((prefix, i) => (prefix.row = i));
      }
      const tokens = Int32Array.from(live, ({ tokens }) => tokens.at(-1) ?? Vocabulary.START);
      const next = await nextWords(stepper, state, tokens, topK);
      stepper.dispose?.(state);
      state = next.state;
      going = going.filter((photo) => photo.advance(next.words));
    }
  } finally {
    stepper.dispose?.(state);
  }
  return searches.map((photo) => photo.captions());
}

/** One step, and what a search that looks at so many words is given of it. */
async function nextWords<State>(
  stepper: Stepper<State>,
  from: State,
  tokens: Int32Array,
  topK: number,
): Promise<{ words: NextWords; state: State }> {
  const { vocabularySize } = stepper;
  // Some of the likeliest may not be written.
  const count = Math.min(vocabularySize, topK + unwritable);
  if (stepper.stepLikeliest && count < vocabularySize) {
    const { likeliest, state } = await stepper.stepLikeliest(from, tokens, count);
    const top: NextWords['top'] = (row, wanted, unknown) => topOf(likeliest, row, wanted, unknown);
    return { words: { logProbabilities: new Float32Array(), vocabularySize, top }, state };
  }
  const { logProbabilities, state } = await stepper.step(from, tokens);
  const top: NextWords['top'] = (row, wanted, unknown) =>
    topWords(logProbabilities, row, vocabularySize, wanted, unknown);
  return { words: { logProbabilities, vocabularySize, top }, state };
}

/** The caption that a prefix is: ended by `<end>` of this ln p, or cut where there is none. */
export function captionOf(
  { tokens, tokenLogProbabilities, logProbability }: Prefix,
  lengthPenalty: number,
  end?: number,
): Hypothesis {
  const finished = end !== undefined;
  const total = finished ? logProbability + end : logProbability;
  const logs = finished ? [...tokenLogProbabilities, end] : tokenLogProbabilities;
  const score = lengthNormalized(total, logs.length, lengthPenalty);
  return { tokens, logProbability: total, score, finished, tokenLogProbabilities: logs };
}

/** A prefix and one word more. */
export function continuedBy(
  prefix: Prefix,
  { id, token, logProbability, rank }: { id: number; token: number; logProbability: number; rank?: number },
): Prefix {
  const total = prefix.logProbability + logProbability;
  return {
    id,
    tokens: [...prefix.tokens, token],
    tokenLogProbabilities: [...prefix.tokenLogProbabilities, logProbability],
    logProbability: total,
    rank: rank ?? total,
    row: prefix.row,
  };
}

/** Orders captions from the best on: finished ones before those that were cut, then by score, then by the numbers of their words. */
export function bestFirst(a: Hypothesis, b: Hypothesis): number {
  return Number(b.finished) - Number(a.finished) || b.score - a.score || byTokens(a, b);
}

/** Orders by the numbers of the words. */
export function byTokens(a: { tokens: readonly number[] }, b: { tokens: readonly number[] }): number {
  const i = a.tokens.findIndex((token, j) => token !== b.tokens[j]);
  return i < 0 ? a.tokens.length - b.tokens.length : a.tokens[i] - (b.tokens[i] ?? -1);
}
