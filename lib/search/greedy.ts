import type { SearchConfig } from '../config.js';
import { Vocabulary } from '../text/vocabulary.js';
import { lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';
import { topWords, type NextWord } from './top-words.js';

/**
 * Greedy search: writes the likeliest word until it is `<end>` or the caption has `maxLength`
 * words. One call of `step` advances all photos by one word. Finished photos leave the batch.
 *
 * @param features [rows, D] row-major, one row per photo.
 * @returns one caption per photo, the same as {@link beamSearch} finds with a beam of 1.
 * @throws CaptionerError `numeric` if the decoder's probabilities are not numbers.
 */
export async function greedySearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  config: Pick<SearchConfig, 'maxLength' | 'lengthPenalty'>,
): Promise<Hypothesis[]> {
  const words: NextWord[][] = Array.from({ length: rows }, () => []);
  let live = words.map((_, photo) => photo); // row -> photo
  if (!live.length) return [];
  let state: State = await stepper.start(features, rows);

  // One step beyond maxLength words tells whether the caption ends there.
  for (let length = 0; live.length && length <= config.maxLength; length++) {
    const tokens = Int32Array.from(live, (photo) => words[photo].at(-1)?.token ?? Vocabulary.START);
    const next = await stepper.step(state, tokens);
    stepper.dispose?.(state);
    state = next.state;
    const unfinished: number[] = [];
    live.forEach((photo, row) => {
      const [word] = topWords(next.logProbabilities, row, stepper.vocabularySize, 1);
      if (!word || (length === config.maxLength && word.token !== Vocabulary.END)) return;
      words[photo].push(word);
      if (word.token !== Vocabulary.END) unfinished.push(row);
    });
    if (unfinished.length < live.length && unfinished.length) {
      const kept = stepper.gather(state, Int32Array.from(unfinished));
      stepper.dispose?.(state);
      state = kept;
    }
    live = unfinished.map((row) => live[row]);
  }
  stepper.dispose?.(state);
  return words.map((caption) => hypothesisOf(caption, config.lengthPenalty));
}

function hypothesisOf(words: readonly NextWord[], lengthPenalty: number): Hypothesis {
  const finished = words.at(-1)?.token === Vocabulary.END;
  const logProbability = words.reduce((sum, word) => sum + word.logProbability, 0);
  return {
    tokens: words.slice(0, finished ? -1 : undefined).map(({ token }) => token),
    logProbability,
    score: lengthNormalized(logProbability, words.length, lengthPenalty),
    finished,
    tokenLogProbabilities: words.map((word) => word.logProbability),
  };
}
