import { make, makeSvg } from '../../page/dom.js';
import type { RunRow, RunsView } from '../answers.js';

/** The figure of the view as an element of the page, whose colours follow the theme. */
export function drawingOf(figure: RunsView['figure']): Element {
  if (!figure) return make('p', { class: 'quiet' }, 'The curves start after the first epoch.');
  const parsed = new DOMParser().parseFromString(figure.svg, 'image/svg+xml').documentElement;
  const drawing = document.importNode(parsed, true);
  drawing.setAttribute('role', 'img');
  drawing.setAttribute('aria-label', figure.description);
  return drawing;
}

const dashes = { solid: 'none', dash: '7 5', dot: '2 4' } as const;

/** A piece of a run's line. */
export function swatch({ curve }: RunRow): Element | string {
  if (!curve) return '';
  const { color, dash } = curve;
  return makeSvg(
    'svg',
    { class: 'swatch figure', viewBox: '0 0 30 10', 'aria-hidden': 'true' },
    makeSvg('path', { d: 'M0 5h30', stroke: color, 'stroke-width': 3, 'stroke-dasharray': dashes[dash] }),
  );
}
