import { make } from '../../page/dom.js';
import type { RunRow, SampledPhoto } from '../answers.js';
import { swatch } from './drawing.js';

/** The captions of one dev photo after each epoch, a column for each run that is compared. */
export class CaptionsSection {
  private photos: readonly SampledPhoto[] = [];
  private runs: readonly RunRow[] = [];
  private id: string | undefined;

  constructor(private readonly place: HTMLElement) {}

  draw(photos: readonly SampledPhoto[], runs: readonly RunRow[]): void {
    this.photos = photos;
    this.runs = runs.filter(({ name }) =>
      photos.some(({ epochs }) => epochs.some(({ captions }) => captions[name] !== undefined)),
    );
    this.redraw();
  }

  private redraw(): void {
    const photo = this.photos.find(({ id }) => id === this.id) ?? this.photos.at(0);
    const focused = document.activeElement?.id;
    this.place.replaceChildren(
      ...(photo
        ? [this.chooser(photo), this.captions(photo)]
        : [make('p', { class: 'quiet' }, 'Captions of some dev photos appear after each epoch.')]),
    );
    if (focused) document.getElementById(focused)?.focus();
  }

  private chooser({ id }: SampledPhoto): HTMLElement {
    const move = (by: number) => () => {
      const at = this.photos.findIndex((photo) => photo.id === id);
      this.id = this.photos.at((at + by) % this.photos.length)?.id;
      this.redraw();
    };
    const choose = () => {
      this.id = select.value;
      this.redraw();
    };
    const options = this.photos.map((photo, i) =>
      make(
        'option',
        { value: photo.id, ...(photo.id === id && { selected: '' }) },
        `${i + 1} of ${this.photos.length}: ${photo.id}`,
      ),
    );
    const select = make('select', { id: 'photo', change: choose }, ...options);
    return make(
      'div',
      { class: 'chooser' },
      make('label', { for: 'photo' }, 'Photo'),
      select,
      make('button', { type: 'button', id: 'previous', click: move(-1) }, 'Previous'),
      make('button', { type: 'button', id: 'next', click: move(1) }, 'Next'),
    );
  }

  private captions({ id, shown, epochs }: SampledPhoto): HTMLElement {
    const head = make(
      'tr',
      {},
      make('th', { scope: 'col' }, 'epoch'),
      ...this.runs.map((run) => make('th', { scope: 'col' }, swatch(run), ` ${run.name}`)),
    );
    const before = new Map<string, string>();
    const rows = epochs.map(({ epoch, captions }) => {
      const cells = this.runs.map(({ name }) => {
        const caption = captions[name] === '' ? '(no words)' : (captions[name] ?? '');
        const same = before.get(name) === caption;
        before.set(name, caption);
        return make('td', { class: same ? 'same' : 'changed' }, caption);
      });
      return make('tr', {}, make('th', { scope: 'row' }, `${epoch}`), ...cells);
    });
    const table = make('table', {}, make('thead', {}, head), make('tbody', {}, ...rows));
    const group = { class: 'scroll', tabindex: 0, role: 'group', 'aria-label': `Captions of ${id}` };
    const picture = shown ? [make('img', { src: `photo?id=${encodeURIComponent(id)}`, alt: `Dev photo ${id}` })] : [];
    return make('div', { class: shown ? 'sampled pictured' : 'sampled' }, ...picture, make('div', group, table));
  }
}
