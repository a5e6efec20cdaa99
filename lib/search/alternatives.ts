import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import type { Stepper } from './stepper.js';
import { topWords, type NextWord } from './top-words.js';

/** A word of a caption, and the words that could have stood in its place. */
export interface WordAlternatives extends NextWord {
  /** The likeliest words after the same prefix, the likeliest first; the word itself is among them where it is one. */
  readonly alternatives: readonly NextWord[];
}

/**
 * The likeliest words at each place of given captions: the decoder is fed the caption, whatever it would have written itself.
 *
 * @param features [rows, D] row-major, a row for each caption.
 * @param captions the words of each caption by number, without `<start>` and `<end>`.
 * @param count alternatives of each word.
 * @returns for each caption its words and, last, its `<end>`.
 * @throws CaptionerError `numeric` when the decoder's probabilities are no numbers; `mismatch` for a word it does not know.
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
 * ln p of each word of given captions, and of their `<end>`, by feeding the decoder the captions.
 *
 * @param features [rows, D] row-major, a row for each caption.
 * @throws CaptionerError `mismatch` for a word that the decoder does not know.
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

/** Calls `visit` for each word of each caption with what the decoder expects there. Captions that are done leave the batch. */
async function feed<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  captions: readonly (readonly number[])[],
  visit: (caption: number, token: number, logProbabilities: Float32Array, row: number, place: number) => void,
): Promise<void> {
  const stranger = captions.flat().find((token) => !(token >= 0 && token < stepper.vocabularySize));
  if (stranger !== undefined) {
    throw new CaptionerError(
      'mismatch',
      `There is no word ${stranger} among the decoder's ${stepper.vocabularySize}: the caption belongs to another captioner.`,
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
    const going: number[] = [];
    for (const [row, caption] of live.entries()) {
      visit(caption, captions[caption][place] ?? Vocabulary.END, next.logProbabilities, row, place);
      if (place < captions[caption].length) going.push(row);
    }
    if (going.length < live.length && going.length > 0) {
      const kept = stepper.gather(state, Int32Array.from(going));
      stepper.dispose?.(state);
      state = kept;
    }
    live = going.map((row) => live[row]);
  }
  stepper.dispose?.(state);
}
