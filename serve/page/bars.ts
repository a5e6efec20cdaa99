/** Shares as bars: how captions compare, and how words do. */

import type { AnsweredCaption, AnsweredWord } from '../answers.js';
import { make, percent } from './dom.js';
import type { SearchFields } from './options.js';

/** All captions, the likeliest first, each with its share among them: by itself, every sentence is improbable. */
export function ranking(captions: readonly AnsweredCaption[], { lengthPenalty }: SearchFields): HTMLElement {
  const scores = captions.map(
    ({ logProbability, tokens }) => logProbability / (tokens.length + 1) ** Number(lengthPenalty),
  );
  const odds = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const all = odds.reduce((sum, odd) => sum + odd, 0);
  return make(
    'ol',
    { class: 'ranked', 'aria-label': 'All captions, and how they compare' },
    ...captions.map(({ caption }, i) => bar({ word: caption || '(nothing)', p: odds[i] / all })),
  );
}

/** A line with a text, a bar and a share. */
export function bar({ word, p }: AnsweredWord, chosen = false): HTMLElement {
  return make(
    'li',
    { class: chosen ? 'measure chosen' : 'measure' },
    make('span', {}, word === '<end>' ? '(the end)' : word),
    make('i', { p, 'aria-hidden': 'true' }),
    make('b', {}, percent(p)),
  );
}
