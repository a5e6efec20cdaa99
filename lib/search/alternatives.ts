import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import type { Stepper } from './stepper.js';
import { topWords, type NextWord } from './top-words.js';

/** A word of a caption with the words that could have stood in its place. */
export interface WordAlternatives extends NextWord {
  /** The likeliest words after the same prefix, most likely first. May include the word itself. */
  readonly alternatives: readonly NextWord[];
}

/**
 * The likeliest words at each position of given captions. The decoder is fed the captions (teacher
 * forcing), whatever it would have written itself.
 *
 * @param features [rows, D] row-major, one row per caption.
 * @param captions token ids of each caption, without `<start>` and `<end>`.
 * @param count alternatives per word.
 * @returns for each caption its words and, last, its `<end>`.
 * @throws CaptionerError `numeric` if the decoder's probabilities are not numbers; `mismatch` for a
 * token id outside its vocabulary.
 */
export async function alternatives<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  captions: readonly (readonly number[])[],
  count: number,
): Promise<WordAlternatives[][]> {
  const found: WordAlternatives[][] = captions.map(() => []);
  await feed(stepper, features, captions, (caption, token, logProbabilities, row) => {
    const logProbability = logProbabilities[row * stepper.vocabularySize + token];
    const likeliest = count > 0 ? topWords(logProbabilities, row, stepper.vocabularySize, count) : [];
    found[caption].push({ token, logProbability, alternatives: likeliest });
  });
  return found;
}

/**
 * Log-probability of each word of given captions and of their `<end>`, with teacher forcing.
 *
 * @param features [rows, D] row-major, one row per caption.
 * @throws CaptionerError `mismatch` for a token id outside the decoder's vocabulary.
 */
export async function captionLogProbabilities<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  captions: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const found = captions.map((tokens) => new Float32Array(tokens.length + 1));
  await feed(stepper, features, captions, (caption, token, logProbabilities, row, place) => {
    found[caption][place] = logProbabilities[row * stepper.vocabularySize + token];
  });
  return found;
}

/**
 * Feeds the captions to the decoder and calls `visit` for each word with the log-probabilities at
 * its position. Finished captions leave the batch.
 */
async function feed<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  captions: readonly (readonly number[])[],
  visit: (caption: number, token: number, logProbabilities: Float32Array, row: number, place: number) => void,
): Promise<void> {
  const unknown = captions.flat().find((token) => !(token >= 0 && token < stepper.vocabularySize));
  if (unknown !== undefined) {
    throw new CaptionerError(
      'mismatch',
      `Word ${unknown} is not among the decoder's ${stepper.vocabularySize}: the caption belongs to another captioner. Use the checkpoint that wrote it.`,
    );
  }
  if (captions.length === 0) return;
  let live = captions.map((_, caption) => caption); // row -> caption
  let state: State = await stepper.start(features, captions.length);
  for (let place = 0; live.length > 0; place++) {
    const tokens = Int32Array.from(live, (caption) => (place === 0 ? Vocabulary.START : captions[caption][place - 1]));
    const next = await stepper.step(state, tokens);
    stepper.dispose?.(state);
    state = next.state;
    const unfinished: number[] = [];
    for (const [row, caption] of live.entries()) {
      visit(caption, captions[caption][place] ?? Vocabulary.END, next.logProbabilities, row, place);
      if (place < captions[caption].length) unfinished.push(row);
    }
    if (unfinished.length < live.length && unfinished.length > 0) {
      const kept = stepper.gather(state, Int32Array.from(unfinished));
      stepper.dispose?.(state);
      state = kept;
    }
    live = unfinished.map((row) => live[row]);
  }
  stepper.dispose?.(state);
}
