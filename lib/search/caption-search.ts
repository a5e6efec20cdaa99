import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import { lengthNormalized, unwritable, type Hypothesis, type Stepper } from './stepper.js';
import { topOf, topWords, type NextWord } from './top-words.js';

/** The first words of a caption, and the decoder state after them. */
export interface Prefix {
  /** Unique within the search for one photo. 0 is the empty prefix. */
  readonly id: number;
  readonly tokens: readonly number[];
  readonly tokenLogProbabilities: readonly number[];
  readonly logProbability: number;
  /** Score by which it competes for a place among the live prefixes. */
  readonly rank: number;
  /** Its row in the stepper's state. */
  row: number;
}

/** The decoder's predictions for the next word, one row per prefix. */
export interface NextWords {
  /**
   * Log-probability of each word, [rows, V]. Complete only for searches without
   * {@link CaptionSearch.topK}.
   */
  readonly logProbabilities: Float32Array;
  readonly vocabularySize: number;
  /** The `count` likeliest words of a row, of those in `allowed`, as {@link topWords} returns them. */
  top(row: number, count: number, unknown?: boolean, allowed?: Float32Array): NextWord[];
}

/**
 * The search for the captions of one photo, by any method. {@link runBatch} advances many of them
 * together.
 */
export interface CaptionSearch {
  /**
   * Words per prefix that the search reads in its next step, through {@link NextWords.top} only. Undefined if it
   * reads the whole distribution.
   */
  readonly topK?: number;
  /** The prefixes still being extended, all of the same length. */
  readonly live: readonly Prefix[];
  /**
   * Extends the live prefixes by one word each. `next` holds the predictions for each at its
   * {@link Prefix.row}.
   * @returns whether the search continues.
   */
  advance(next: NextWords): boolean;
  /** The captions found, best first. Valid once the search has ended. */
  captions(): Hypothesis[];
}

/** The empty prefix, from which a search starts. */
export function emptyPrefix(): Prefix {
  return { id: 0, tokens: [], tokenLogProbabilities: [], logProbability: 0, rank: 0, row: 0 };
}

/**
 * Runs the searches for many photos. One call of `step` advances all prefixes of all unfinished
 * photos.
 *
 * @param features [searches, D] row-major, one row per photo.
 * @param searches one per photo, not yet started.
 * @param deadline on the clock of `performance.now()`. Default: none.
 * @returns the captions of each photo.
 * @throws CaptionerError `timeout` at the deadline.
 */
export async function runBatch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  searches: readonly CaptionSearch[],
  deadline = Infinity,
): Promise<Hypothesis[][]> {
  if (searches.length === 0) return [];
  let state: State = await stepper.start(features, searches.length);
  let rows = searches.length; // rows of `state`
  try {
    searches.forEach(({ live }, row) => {
      for (const prefix of live) prefix.row = row;
    });
    let unfinished = searches;
    while (unfinished.length > 0) {
      if (performance.now() > deadline) {
        throw new CaptionerError(
          'timeout',
          'The search takes too long: use a narrower beam, a lower maxLength, or require fewer words.',
        );
      }
      const live = unfinished.length === 1 ? unfinished[0].live : unfinished.flatMap((photo) => photo.live);
      if (live.length !== rows || live.some(({ row }, i) => row !== i)) {
        const gathered = stepper.gather(state, numbersOf(live, rowOf));
        stepper.dispose?.(state);
        state = gathered;
        rows = live.length;
        live.forEach((prefix, i) => (prefix.row = i));
      }
      const tokens = numbersOf(live, lastToken);
      const topK = unfinished.reduce((most, search) => Math.max(most, search.topK ?? Infinity), 0);
      const next = await nextWords(stepper, state, tokens, topK);
      stepper.dispose?.(state);
      state = next.state;
      unfinished = unfinished.filter((photo) => photo.advance(next.words));
    }
  } finally {
    stepper.dispose?.(state);
  }
  return searches.map((photo) => photo.captions());
}

const rowOf = ({ row }: Prefix): number => row;
const lastToken = ({ tokens }: Prefix): number => tokens.at(-1) ?? Vocabulary.START;

/** A number of each prefix. Faster than `Int32Array.from`, and needed several times per step. */
function numbersOf(prefixes: readonly Prefix[], of: (prefix: Prefix) => number): Int32Array {
  const numbers = new Int32Array(prefixes.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = of(prefixes[i]);
  return numbers;
}

/** The distribution of a step that computed the likeliest words alone. */
const unread = new Float32Array();

/** Runs one step and wraps its output for searches that read `topK` words per prefix. */
async function nextWords<State>(
  stepper: Stepper<State>,
  from: State,
  tokens: Int32Array,
  topK: number,
): Promise<{ words: NextWords; state: State }> {
  const { vocabularySize } = stepper;
  // Some of the likeliest words may not be written, so fetch a few more.
  const count = Math.min(vocabularySize, topK + unwritable);
  if (stepper.stepLikeliest && count < vocabularySize) {
    const { likeliest, state } = await stepper.stepLikeliest(from, tokens, count);
    const top: NextWords['top'] = (row, wanted, unknown, allowed) => topOf(likeliest, row, wanted, unknown, allowed);
    return { words: { logProbabilities: unread, vocabularySize, top }, state };
  }
  const { logProbabilities, state } = await stepper.step(from, tokens);
  const top: NextWords['top'] = (row, wanted, unknown, allowed) =>
    topWords(logProbabilities, row, vocabularySize, wanted, unknown, allowed);
  return { words: { logProbabilities, vocabularySize, top }, state };
}

/**
 * The caption that ends a prefix: with `<end>` of the given log-probability, or cut off if there is
 * none.
 */
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

/** A prefix extended by one word. */
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

/** Orders captions best first: finished before cut off, then by score, then by token ids. */
export function bestFirst(a: Hypothesis, b: Hypothesis): number {
  return Number(b.finished) - Number(a.finished) || b.score - a.score || byTokens(a, b);
}

/** Orders by token ids. */
export function byTokens(a: { tokens: readonly number[] }, b: { tokens: readonly number[] }): number {
  const i = a.tokens.findIndex((token, j) => token !== b.tokens[j]);
  return i < 0 ? a.tokens.length - b.tokens.length : a.tokens[i] - (b.tokens[i] ?? -1);
}
