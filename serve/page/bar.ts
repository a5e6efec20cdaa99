/** A probability as a bar. */

import type { AnsweredWord } from '../answers.js';
import { make, percent } from './dom.js';

/** A line with a word, a bar and a percentage. */
export function bar({ word, p }: AnsweredWord, chosen = false): HTMLElement {
  return make(
    'li',
    { class: chosen ? 'measure chosen' : 'measure' },
    make('span', {}, word === '<end>' ? '(the end)' : word),
    make('i', { p, 'aria-hidden': 'true' }),
    make('b', {}, percent(p)),
  );
}
