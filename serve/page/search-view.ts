/** The search that found a caption, folded away until it is opened. */

import { make, sentenceOf } from './dom.js';
import type { Explanation } from './explanation.js';
import { drawTree } from './tree.js';

/** An explanation of each search method. */
const methods: Readonly<Record<string, string>> = {
  beam: 'Beam search extends the most probable prefixes, all at the same time, word by word.',
  diverse:
    'Groups of beams extend prefixes word by word. Each group avoids the words that earlier groups chose at the same position.',
  sample: 'Each word was drawn according to its probability, and each caption independently of the others.',
  consensus:
    'Of the captions that a beam search finds, the one that is most similar to captions drawn according to their probabilities.',
  stochastic: 'Prefixes were drawn according to their probabilities, word by word, without drawing the same one twice.',
};

/** A disclosure that draws the search when it is first opened. */
export function searchView(method: string, explanation: Explanation): HTMLDetailsElement {
  const body = make('div', {}, make('p', { class: 'hint' }, 'Looking closer …'));
  const details = make('details', { class: 'search' }, make('summary', {}, 'How it was found'), body);
  const draw = async (): Promise<void> => {
    if (!details.open || details.classList.contains('drawn')) return;
    try {
      const { search, words } = await explanation.get();
      details.classList.add('drawn');
      const tree = drawTree(
        search,
        words.map(({ word }) => word),
      );
      const hint = make('p', { class: 'hint' }, `${methods[method] ?? methods.beam} A dot marks the end of a caption.`);
      body.replaceChildren(hint, scroller(tree));
    } catch (error) {
      if (details.open) body.replaceChildren(make('p', { class: 'failed' }, sentenceOf(error)));
    }
  };
  details.addEventListener('toggle', () => void draw());
  return details;
}

/** A region that scrolls sideways, and shows on which sides there is more. */
function scroller(content: SVGSVGElement): HTMLElement {
  const properties = { class: 'scroller', tabindex: 0, role: 'region', 'aria-label': 'The search, from left to right' };
  const region = make('div', properties, content);
  const hint = make('p', { class: 'hint more', hidden: '' }, 'Scroll sideways to see the rest of the search.');
  const frame = make('div', { class: 'scrolled' }, region);
  const update = (): void => {
    const rest = region.scrollWidth - region.clientWidth;
    hint.hidden = rest <= 1;
    frame.classList.toggle('before', region.scrollLeft > 1);
    frame.classList.toggle('after', region.scrollLeft < rest - 1);
  };
  region.addEventListener('scroll', update, { passive: true });
  new ResizeObserver(update).observe(region);
  return make('div', {}, frame, hint);
}
