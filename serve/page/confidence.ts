/** Confidence in words. The command line uses the same words and thresholds (`confidenceWord` of the library). */

import { make } from './dom.js';

/** Least confidence of each word, in [0, 1]. */
const thresholds = { sure: 0.5, unsure: 0.25 };

/** The word for a calibrated confidence; undefined where the captioner gives none. */
export function confidenceWord(confidence: number | null | undefined): 'sure' | 'unsure' | 'guess' | undefined {
  if (confidence === null || confidence === undefined) return undefined;
  if (confidence >= thresholds.sure) return 'sure';
  return confidence >= thresholds.unsure ? 'unsure' : 'guess';
}

/** The word as a badge, or nothing. */
export function confidenceBadge(confidence: number | null | undefined): HTMLElement[] {
  const word = confidenceWord(confidence);
  if (!word) return [];
  const title = `Confidence ${Number(confidence).toFixed(2)}: the estimated probability that the caption is good.`;
  return [make('small', { class: `confidence ${word}`, title }, word)];
}
