/** A photo as a row of the table. The row opens to show its card. */

import type { Card } from './card.js';
import { copyButton } from './clipboard.js';
import { confidenceBadge } from './confidence.js';
import { make, seconds } from './dom.js';

/** Heads of the columns. */
export const columns = ['Photo', 'Caption', 'Time', 'Actions'];

export class Row {
  /** The line, and below it the one with the card. */
  readonly elements: readonly HTMLTableRowElement[];
  private readonly line = make('tr', { class: 'line' });
  private readonly detail = make('tr', { class: 'detail', hidden: '' });
  private readonly cell = make('td', { colspan: columns.length });

  constructor(private readonly card: Card) {
    this.detail.append(this.cell);
    this.elements = [this.line, this.detail];
    this.update();
  }

  /** Takes the card in. */
  adopt(): void {
    if (this.card.element.parentElement !== this.cell) this.cell.append(this.card.element);
  }

  focus(): void {
    this.line.querySelector('button')?.focus({ preventScroll: true });
  }

  /** Shows the card's state. */
  update(): void {
    const { photo, result, milliseconds } = this.card;
    const image = photo.url ? [make('img', { src: photo.url, alt: '', width: 48, height: 48 })] : [];
    const best = result?.captions?.[0];
    this.line.classList.toggle('busy', this.card.busy);
    this.line.replaceChildren(
      make('td', { class: 'thumbnail' }, ...image),
      make('td', {}, ...this.text(), make('p', { class: 'name', title: photo.name }, photo.name)),
      make('td', { class: 'time' }, milliseconds === undefined ? '' : seconds(milliseconds)),
      make(
        'td',
        { class: 'actions' },
        ...(best ? [copyButton('Copy the caption', () => best.caption)] : []),
        this.card.closeButton(),
      ),
    );
  }

  private text(): Node[] {
    const { result, busy } = this.card;
    if (result?.error && !busy) return [make('p', { class: 'failed' }, result.error.message), this.card.retryButton()];
    const best = result?.captions?.[0];
    if (!best) return [make('div', { class: 'waiting' })];
    const toggle = make('button', {
      type: 'button',
      class: 'toggle',
      'aria-expanded': String(!this.detail.hidden),
      click: () => {
        this.detail.hidden = !this.detail.hidden;
        toggle.setAttribute('aria-expanded', String(!this.detail.hidden));
      },
    });
    toggle.append(best.caption || '(no words)');
    return [toggle, ...confidenceBadge(best.confidence)];
  }
}
