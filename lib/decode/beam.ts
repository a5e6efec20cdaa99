import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import { lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';
import { topWords, type NextWord } from './top-words.js';
import type { TracedCandidate } from './trace.js';

/** A beginning of a caption, and where its state is. */
interface Partial {
  /** See {@link TracedCandidate.id}. */
  readonly id: number;
  readonly tokens: readonly number[];
  readonly tokenLogProbabilities: readonly number[];
  readonly logProbability: number;
  /** The row of the stepper's state that it continues. */
  readonly row: number;
}

/** The search for one photo's captions. */
interface PhotoSearch {
  /** The beginnings that are pursued, at most `beam`, the likeliest first. */
  live: Partial[];
  /** The best captions that reached `<end>`, at most `n`, best first. */
  finished: Hypothesis[];
  /** Candidates that were looked at so far. */
  looked: number;
}

/** Sees each step of the search of each photo: all candidates of that step, in no order. `tracedBeamSearch` keeps them. */
export type SearchObserver = (photo: number, candidates: readonly TracedCandidate[]) => void;

/**
 * Beam search (as in Vinyals et al. 2015): of each photo the `beam` likeliest beginnings are kept and each is continued by its `beam`
 * likeliest words. One that `<end>` continues is finished; the others compete for the next `beam` places.
 * A photo is done when none of its beginnings can become better than its n best finished captions, or at `maxLength` words. Where fewer
 * than n are finished by then, the likeliest unfinished ones follow.
 *
 * One call of `step` advances all beams of all photos that are not done. Equally likely captions are in the order of their
 * words' numbers, so the outcome does not depend on what else is in the batch.
 *
 * @param features [rows, D] row-major, a row for each photo.
 * @param observe sees how the search goes on.
 * @returns for each photo at most n captions, best first by {@link Hypothesis.score}.
 * @throws CaptionerError `bad-option` when n exceeds the beam; `numeric` when the decoder's probabilities are no numbers.
 */
export async function beamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  config: SearchConfig,
  observe?: SearchObserver,
): Promise<Hypothesis[][]> {
  if (config.n > config.beam) {
    throw new CaptionerError(
      'bad-option',
      `A beam of ${config.beam} can't give ${config.n} captions: widen the beam to ${config.n} or more.`,
    );
  }
  const photos: PhotoSearch[] = Array.from({ length: rows }, (_, row) => ({
    live: [{ id: 0, tokens: [], tokenLogProbabilities: [], logProbability: 0, row }],
    finished: [],
    looked: 0,
  }));
  if (!photos.length) return [];
  let going = photos;
  let state: State = await stepper.start(features, rows);

  // After maxLength words one more step asks whether the captions end there.
  for (let length = 0; going.length && length <= config.maxLength; length++) {
    const tokens = going.flatMap(({ live }) => live.map((partial) => partial.tokens.at(-1) ?? Vocabulary.START));
    const next = await stepper.step(state, Int32Array.from(tokens));
    stepper.dispose?.(state);
    state = next.state;

    const still = going.filter((photo) => {
      const seen = observe && ((step: readonly TracedCandidate[]) => observe(photos.indexOf(photo), step));
      return advance(photo, next.logProbabilities, stepper.vocabularySize, length, config, seen);
    });
    const origin = still.flatMap(({ live }) => live.map(({ row }) => row));
    if (origin.length && (origin.length !== tokens.length || origin.some((row, i) => row !== i))) {
      const gathered = stepper.gather(state, Int32Array.from(origin));
      stepper.dispose?.(state);
      state = gathered;
    }
    let row = 0;
    for (const photo of still) photo.live = photo.live.map((partial) => ({ ...partial, row: row++ }));
    going = still;
  }
  stepper.dispose?.(state);
  return photos.map((photo) => nBest(photo, config));
}

/**
 * Continues the beginnings of a photo by one word.
 * @param length words in each of them.
 * @returns whether the search of the photo goes on.
 */
function advance(
  photo: PhotoSearch,
  logProbabilities: Float32Array,
  vocabularySize: number,
  length: number,
  config: SearchConfig,
  observe?: (candidates: readonly TracedCandidate[]) => void,
): boolean {
  const continued: Partial[] = [];
  const looked: { readonly parent: number; readonly word: NextWord; readonly became: Partial | Hypothesis }[] = [];
  for (const partial of photo.live) {
    for (const word of topWords(logProbabilities, partial.row, vocabularySize, config.beam)) {
      const logProbability = partial.logProbability + word.logProbability;
      const tokenLogProbabilities = [...partial.tokenLogProbabilities, word.logProbability];
      let became: Partial | Hypothesis;
      if (word.token === Vocabulary.END) {
        const score = lengthNormalized(logProbability, length + 1, config.lengthPenalty);
        const { tokens } = partial;
        photo.finished.push((became = { tokens, logProbability, score, finished: true, tokenLogProbabilities }));
      } else {
        const tokens = [...partial.tokens, word.token];
        const id = photo.looked + looked.length + 1;
        continued.push((became = { id, tokens, tokenLogProbabilities, logProbability, row: partial.row }));
      }
      looked.push({ parent: partial.id, word, became });
    }
  }
  const goesOn = keepBest(photo, continued, length, config);
  observe?.(
    looked.map(({ parent, word, became }, i) => ({
      id: photo.looked + i + 1,
      parent,
      ...word,
      score: lengthNormalized(became.logProbability, length + 1, config.lengthPenalty),
      kept: (photo.live as unknown[]).includes(became) || (photo.finished as unknown[]).includes(became),
      finished: word.token === Vocabulary.END,
    })),
  );
  photo.looked += looked.length;
  return goesOn;
}

/** Leaves a photo its n best captions and `beam` likeliest beginnings. @returns whether its search goes on. */
function keepBest(photo: PhotoSearch, continued: Partial[], length: number, config: SearchConfig): boolean {
  const { beam, n, maxLength, lengthPenalty } = config;
  photo.finished = photo.finished.sort((a, b) => b.score - a.score || byTokens(a, b)).slice(0, n);
  // At the greatest length only <end> may follow, and without a continuation the beginnings stay as they are.
  if (length === maxLength || (!continued.length && !photo.finished.length)) return false;
  photo.live = continued.sort((a, b) => b.logProbability - a.logProbability || byTokens(a, b)).slice(0, beam);
  if (!photo.live.length) return false;
  if (photo.finished.length < n) return true;
  // More words can only lower a log-probability, and divide it by at most the greatest length.
  const atBest = lengthNormalized(photo.live[0].logProbability, maxLength + 1, lengthPenalty);
  return atBest > photo.finished[n - 1].score;
}

function nBest({ finished, live }: PhotoSearch, { n, lengthPenalty }: SearchConfig): Hypothesis[] {
  // What was finished by the very last step is among the live ones, too.
  const unfinished = live.filter((partial) => finished.every((caption) => byTokens(partial, caption) !== 0));
  const cut = unfinished.map(({ tokens, tokenLogProbabilities, logProbability }) => ({
    tokens,
    logProbability,
    score: lengthNormalized(logProbability, tokens.length, lengthPenalty),
    finished: false,
    tokenLogProbabilities,
  }));
  return [...finished, ...cut.sort((a, b) => b.score - a.score || byTokens(a, b))].slice(0, n);
}

function byTokens(a: { tokens: readonly number[] }, b: { tokens: readonly number[] }): number {
  const i = a.tokens.findIndex((token, j) => token !== b.tokens[j]);
  return i < 0 ? a.tokens.length - b.tokens.length : a.tokens[i] - (b.tokens[i] ?? -1);
}
