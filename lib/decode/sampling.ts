import { CaptionerError } from '../errors.js';
import type { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { isWritable, lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';

export interface SamplingOptions {
  /** A caption has at most this many words. Default 20. */
  readonly maxLength?: number;
  /** Probabilities to the power of 1 / temperature: below 1 the likely words win more often, above 1 the unlikely ones. Default 1. */
  readonly temperature?: number;
  /** Only the likeliest words, until their probabilities sum to this (Holtzman et al. 2020, nucleus sampling). Default 1: all. */
  readonly topP?: number;
}

/**
 * Draws captions at random, each word by its probability: the same photo gives other captions each time.
 *
 * @param features [rows, D] row-major, a row for each caption to draw.
 * @returns for each row a caption; its probabilities are the decoder's own, before temperature and topP.
 * @throws CaptionerError `bad-option`; `numeric` when the decoder's probabilities are no numbers.
 */
export async function sampleCaptions<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  random: Random,
  { maxLength = 20, temperature = 1, topP = 1 }: SamplingOptions = {},
): Promise<Hypothesis[]> {
  if (!(temperature > 0) || !(topP > 0 && topP <= 1) || !(maxLength >= 1)) {
    throw new CaptionerError(
      'bad-option',
      'The temperature is above 0, topP above 0 and at most 1, maxLength at least 1.',
    );
  }
  const drawn = Array.from({ length: rows }, () => ({
    tokens: [] as number[],
    logProbabilities: [] as number[],
    finished: false,
  }));
  if (rows === 0) return [];
  let state: State = await stepper.start(features, rows);
  // After maxLength words one more step asks whether the caption ends there, as the other searches do.
  for (let length = 0; length <= maxLength && drawn.some(({ finished }) => !finished); length++) {
    const tokens = Int32Array.from(drawn, ({ tokens }) => tokens.at(-1) ?? Vocabulary.START);
    const next = await stepper.step(state, tokens);
    stepper.dispose?.(state);
    state = next.state;
    drawn.forEach((caption, row) => {
      if (caption.finished) return;
      const offset = row * stepper.vocabularySize;
      const logProbabilities = next.logProbabilities.subarray(offset, offset + stepper.vocabularySize);
      const token = length === maxLength ? Vocabulary.END : draw(logProbabilities, random, temperature, topP);
      if (length === maxLength && logProbabilities[Vocabulary.END] < Math.max(...logProbabilities)) return;
      caption.logProbabilities.push(logProbabilities[token]);
      if (token === Vocabulary.END) caption.finished = true;
      else caption.tokens.push(token);
    });
  }
  stepper.dispose?.(state);
  return drawn.map(({ tokens, logProbabilities, finished }) => {
    const logProbability = logProbabilities.reduce((sum, value) => sum + value, 0);
    return {
      tokens,
      logProbability,
      score: lengthNormalized(logProbability, logProbabilities.length, 0),
      finished,
      tokenLogProbabilities: logProbabilities,
    };
  });
}

function draw(logProbabilities: Float32Array, random: Random, temperature: number, topP: number): number {
  const words = Array.from(logProbabilities, (logProbability, token) => ({ token, logProbability })).filter(
    ({ token, logProbability }) => isWritable(token) && logProbability > -Infinity,
  );
  const most = words.reduce((greatest, { logProbability }) => Math.max(greatest, logProbability), -Infinity);
  if (!Number.isFinite(most)) {
    throw new CaptionerError(
      'numeric',
      'The decoder gave no word a probability: its weights or the features are no numbers.',
    );
  }
  const weighted = words
    .map(({ token, logProbability }) => ({ token, weight: Math.exp((logProbability - most) / temperature) }))
    .sort((a, b) => b.weight - a.weight);
  const total = weighted.reduce((sum, { weight }) => sum + weight, 0);
  // The nucleus: as few words as have topP of the probability together, but one at least.
  let [nucleus, kept] = [0, 0];
  while (kept < weighted.length && (kept === 0 || nucleus < topP * total)) nucleus += weighted[kept++].weight;
  let left = random.uniform() * nucleus;
  return (weighted.slice(0, kept).find(({ weight }) => (left -= weight) < 0) ?? weighted[kept - 1]).token;
}
