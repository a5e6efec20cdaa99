/** The captioned photos: cards, or a table where there are many. */

import type { AnsweredPhoto } from '../answers.js';
import { Card, type CardActions, type Result } from './card.js';
import { byId, make, seconds, sentenceOf } from './dom.js';
import { csvOf, download, jsonOf } from './download.js';
import { readOptions, type SearchFields } from './options.js';
import { columns, Row } from './row.js';
import type { CaptionSource, Photo } from './source.js';

/** Number of photos of one request: few, so that the first captions come soon. More are not captioned again unasked. */
const together = 8;

/** Number of photos from which on they are a table. */
const tableFrom = 4;

interface Entry {
  readonly card: Card;
  readonly row: Row;
}

export interface ResultsListener {
  announce(text: string): void;
  /** A photo has captions that were not there before. */
  captioned(card: Card): void;
}

export class Results implements CardActions {
  /** Most photos that the service takes in one request. */
  maxFiles = together;
  private entries: readonly Entry[] = [];
  private controller = new AbortController();
  /** The time of the last run of several photos, in words. */
  private lastRun = '';
  private readonly list = byId('list', HTMLElement);
  private readonly section = byId('results', HTMLElement);
  private readonly stale = byId('stale', HTMLElement);
  private readonly rows = make('tbody');
  private readonly table = make(
    'table',
    { class: 'table' },
    make('caption', { class: 'unseen' }, 'Photos and their captions'),
    make('thead', {}, make('tr', {}, ...columns.map((head) => make('th', { scope: 'col' }, head)))),
    this.rows,
  );

  constructor(
    readonly source: CaptionSource,
    private readonly listener: ResultsListener,
  ) {
    byId('json', HTMLButtonElement).addEventListener('click', () => {
      download('captions.json', 'application/json', jsonOf(this.answers()));
    });
    byId('csv', HTMLButtonElement).addEventListener('click', () => {
      download('captions.csv', 'text/csv', csvOf(this.answers()));
    });
    byId('again', HTMLButtonElement).addEventListener('click', () => void this.captionAgain());
  }

  /** Adds photos on top and captions them. */
  async caption(photos: readonly Photo[]): Promise<void> {
    const options = readOptions();
    const entries = this.add(photos, options);
    this.listener.announce(
      photos.length === 1 ? `Captioning ${photos[0].name}.` : `Captioning ${photos.length} photos.`,
    );
    await this.run(entries, options);
  }

  /** Shows a photo whose captions are known, and moves the focus to them. */
  show(photo: Photo, options: SearchFields, result: Result): Card {
    const [{ card, row }] = this.add([photo], options);
    card.show(result);
    row.update();
    this.update();
    if (this.list.contains(this.table)) row.focus();
    else card.focus();
    return card;
  }

  /** Captions again what was captioned with other options: at once if that is one request, else when asked. */
  optionsChanged(): void {
    const count = this.outdated().length;
    if (count > 0 && count <= together) void this.captionAgain();
    this.stale.hidden = count <= together;
    byId('again', HTMLButtonElement).textContent = `Caption ${count} photos again`;
  }

  close(card: Card): void {
    const at = this.entries.findIndex((entry) => entry.card === card);
    for (const element of this.entries[at].row.elements) element.remove();
    card.release();
    this.entries = this.entries.filter((_, i) => i !== at);
    this.update();
    const next = this.entries[Math.min(at, this.entries.length - 1)];
    const place = this.list.contains(this.table) ? next?.row.elements[0] : next?.card.element;
    const button = place?.querySelector('.close');
    (button instanceof HTMLElement ? button : this.section).focus();
    this.listener.announce(`${card.photo.name} closed.`);
  }

  retry(card: Card): void {
    void this.run(
      this.entries.filter((entry) => entry.card === card),
      readOptions(),
    );
  }

  private add(photos: readonly Photo[], options: SearchFields): Entry[] {
    const added = photos.map((photo) => {
      const card = new Card(photo, options, this);
      return { card, row: new Row(card) };
    });
    this.entries = [...added, ...this.entries];
    this.update();
    this.section.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
    return added;
  }

  private outdated(): Entry[] {
    const options = JSON.stringify(readOptions());
    return this.entries.filter(({ card }) => JSON.stringify(card.search) !== options);
  }

  private async captionAgain(): Promise<void> {
    this.stale.hidden = true;
    this.controller.abort();
    this.controller = new AbortController();
    const busy = this.entries.filter(({ card }) => card.busy);
    await this.run([...new Set([...this.outdated(), ...busy])], readOptions());
  }

  private async run(entries: readonly Entry[], options: SearchFields): Promise<void> {
    const { signal } = this.controller;
    const started = performance.now();
    for (const { card, row } of entries) {
      card.wait(options);
      row.update();
    }
    const step = Math.min(together, this.maxFiles);
    for (let first = 0; first < entries.length && !signal.aborted; first += step)
      await this.request(entries.slice(first, first + step), options, signal);
    if (signal.aborted) return;
    this.lastRun =
      entries.length > 1 ? ` · the last ${entries.length} took ${seconds(performance.now() - started)}` : '';
    this.update();
  }

  private async request(entries: readonly Entry[], options: SearchFields, signal: AbortSignal): Promise<void> {
    const open = new Set(entries);
    const started = performance.now();
    const show = (entry: Entry, result: Result): void => {
      open.delete(entry);
      if (!this.entries.includes(entry)) return; // closed by now
      const { card, row } = entry;
      card.show(result, result.error ? undefined : performance.now() - started);
      row.update();
      this.update();
      const { name } = card.photo;
      this.listener.announce(`${name}: ${result.error ? result.error.message : result.captions[0].caption}`);
      if (result.captions) this.listener.captioned(card);
    };
    try {
      const photos = entries.map(({ card }) => card.photo);
      const onPhoto = (index: number, result: AnsweredPhoto): void => {
        show(entries[index], result);
      };
      await this.source.caption(photos, options, onPhoto, signal);
      for (const entry of open) show(entry, { error: { message: 'The answer was cut short. Try again.' } });
    } catch (error) {
      if (signal.aborted) return;
      for (const entry of open) show(entry, { error: { message: sentenceOf(error) } });
    }
  }

  /** Puts cards or rows in their places and tells how many there are. */
  private update(): void {
    if (this.entries.length < tableFrom) {
      arrange(
        this.list,
        this.entries.map(({ card }) => card.element),
      );
    } else {
      arrange(this.list, [this.table]);
      for (const { row } of this.entries) row.adopt();
      arrange(
        this.rows,
        this.entries.flatMap(({ row }) => row.elements),
      );
    }
    const count = this.entries.filter(({ card }) => card.result?.captions).length;
    byId('toolbar', HTMLElement).hidden = count === 0;
    byId('summary', HTMLElement).textContent = `${count} ${count === 1 ? 'photo' : 'photos'}${this.lastRun}`;
  }

  private answers(): AnsweredPhoto[] {
    return this.entries.flatMap(({ card: { photo, result } }): AnsweredPhoto[] => {
      if (!result) return [];
      const { captions, error } = result;
      if (!error) return [{ name: photo.name, captions }];
      return [{ name: photo.name, error: { code: error.code ?? 'failed', message: error.message } }];
    });
  }
}

/** Makes the elements the children of their parent, and moves none that is in its place. */
function arrange(parent: Element, elements: readonly Element[]): void {
  for (const child of [...parent.children]) if (!elements.includes(child)) child.remove();
  elements.forEach((element, i) => {
    const there = parent.children.item(i);
    if (there !== element) parent.insertBefore(element, there);
  });
}
