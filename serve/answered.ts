/** Captions and explanations of the library in the shape of the service's answers. The demo's page uses it in the browser. */

import type { Caption, Explanation } from '../lib/index.js';
import type { AnsweredCaption, AnsweredExplanation } from './answers.js';

/** Captions as `{captions: [{caption, p, …}]}`, the likeliest first. */
export function answered(captions: readonly Caption[]): AnsweredCaption[] {
  return captions.map(({ caption, probability, logProbability, confidence, words }) => ({
    caption,
    p: atMostOne(probability),
    logProbability,
    confidence,
    tokens: words.map(({ word, probability: p }) => ({ word, p: atMostOne(p) })),
  }));
}

/** A probability; rounding can make it a little more than 1. */
function atMostOne(probability: number): number {
  return Math.min(1, probability);
}

/** An explanation, with `p` for each probability. */
export function answeredExplanation({ captions, words, search, occlusion }: Explanation): AnsweredExplanation {
  const brief = ({ word, probability }: { word: string; probability: number }) => ({ word, p: atMostOne(probability) });
  return {
    captions: answered(captions),
    words: words.map((word) => ({ ...brief(word), alternatives: word.alternatives.map(brief) })),
    search: search.map((step) =>
      step.map(({ id, parent, score, kept, finished, ...word }) => ({
        id,
        parent,
        ...brief(word),
        score,
        kept,
        finished,
      })),
    ),
    occlusion,
  };
}
