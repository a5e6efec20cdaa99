import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import { isWritable, lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';

export interface DiverseBeamOptions {
  /** Captions to find. Default 3. */
  readonly groups?: number;
  /** What a word costs, in ln p, for each group before that has just written the same word at the same place. Default 1. */
  readonly diversity?: number;
  readonly maxLength?: number;
  readonly lengthPenalty?: number;
}

/**
 * Diverse beam search (Vijayakumar et al. 2016, https://arxiv.org/abs/1610.02424) with one beginning in each group: one after the other, the
 * groups choose their next word, and each avoids the words that the groups before it have chosen for this place.
 *
 * @param features [D] of one photo.
 * @returns a caption for each group, in their order; probabilities are the decoder's own.
 * @throws CaptionerError `bad-option`.
 */
export async function diverseBeamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  { groups = 3, diversity = 1, maxLength = 20, lengthPenalty = 0.7 }: DiverseBeamOptions = {},
): Promise<Hypothesis[]> {
  if (!(groups >= 1) || !(diversity >= 0) || !(maxLength >= 1)) {
    throw new CaptionerError('bad-option', 'There is at least one group and one word, and diversity is at least 0.');
  }
  const repeated = new Float32Array(groups * features.length);
  for (let group = 0; group < groups; group++) repeated.set(features, group * features.length);
  const captions = Array.from({ length: groups }, () => ({
    tokens: [] as number[],
    logs: [] as number[],
    finished: false,
  }));
  let state: State = await stepper.start(repeated, groups);
  for (let place = 0; place <= maxLength && captions.some(({ finished }) => !finished); place++) {
    const tokens = Int32Array.from(captions, ({ tokens }) => tokens.at(-1) ?? Vocabulary.START);
    const next = await stepper.step(state, tokens);
    stepper.dispose?.(state);
    state = next.state;
    const chosen = new Map<number, number>();
    captions.forEach((caption, group) => {
      if (caption.finished) return;
      const offset = group * stepper.vocabularySize;
      let [best, greatest] = [-1, -Infinity];
      for (let token = 0; token < stepper.vocabularySize; token++) {
        if (!isWritable(token)) continue;
        const score = next.logProbabilities[offset + token] - diversity * (chosen.get(token) ?? 0);
        if (score > greatest) [best, greatest] = [token, score];
      }
      if (best < 0 || (place === maxLength && best !== Vocabulary.END)) return;
      chosen.set(best, (chosen.get(best) ?? 0) + 1);
      caption.logs.push(next.logProbabilities[offset + best]);
      if (best === Vocabulary.END) caption.finished = true;
      else caption.tokens.push(best);
    });
  }
  stepper.dispose?.(state);
  return captions.map(({ tokens, logs, finished }) => {
    const logProbability = logs.reduce((sum, log) => sum + log, 0);
    return {
      tokens,
      logProbability,
      score: lengthNormalized(logProbability, logs.length, lengthPenalty),
      finished,
      tokenLogProbabilities: logs,
    };
  });
}
