/** A photo on the page with its captions. */

import type { AnsweredCaption } from '../answers.js';
import { bar } from './bar.js';
import { copyButton } from './clipboard.js';
import { showCode } from './code-dialog.js';
import { confidenceBadge } from './confidence.js';
import { make, seconds, sentenceOf } from './dom.js';
import { Explanation } from './explanation.js';
import type { SearchFields } from './options.js';
import { searchView } from './search-view.js';
import type { CaptionSource, Photo } from './source.js';
import { spotlight } from './spotlight.js';
import { CaptionWords } from './words.js';

/** The captions of a photo, or an error. */
export type Result =
  | { readonly captions: readonly AnsweredCaption[]; readonly error?: undefined }
  | { readonly captions?: undefined; readonly error: { readonly code?: string; readonly message: string } };

/** Things to do with a card that concern the whole page. */
export interface CardActions {
  /** The source of its captions. */
  readonly source: CaptionSource;
  close(card: Card): void;
  retry(card: Card): void;
}

const invitation = 'Pick a word to see what else it could have been and which part of the photo it comes from.';

export class Card {
  readonly element: HTMLElement;
  result: Result | undefined;
  /** Time from sending the photo to its captions; undefined for remembered ones. */
  milliseconds: number | undefined;
  private words: CaptionWords | undefined;
  /** Index of the word that is looked at. */
  private looked: number | undefined;
  private explanation: Explanation;
  private details: HTMLDetailsElement | undefined;
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly closer = make('div', { class: 'closer', 'aria-live': 'polite' });
  private readonly picture: HTMLElement;
  private readonly answer = make('div', { class: 'answer' });

  constructor(
    readonly photo: Photo,
    /** The options of its captions. */
    public search: SearchFields,
    private readonly actions: CardActions,
  ) {
    const image = photo.url ? make('img', { src: photo.url, alt: photo.name }) : make('span');
    const frame = make('div', { class: 'frame' }, image, this.canvas);
    if (image instanceof HTMLImageElement) {
      image.addEventListener('load', () => {
        frame.style.setProperty('--aspect', String(image.naturalWidth / image.naturalHeight));
      });
    }
    this.picture = make('div', { class: 'picture' }, frame);
    const said = make('div', { class: 'said' }, this.heading(), this.answer);
    const properties = { class: photo.url ? 'photo' : 'photo bare', 'aria-label': photo.name, tabindex: -1 };
    this.element = make('article', properties, this.picture, said);
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.lookAway();
    });
    this.explanation = new Explanation(photo, search, actions.source);
    this.wait(search);
  }

  /** Whether its captions are on their way. */
  get busy(): boolean {
    return this.element.hasAttribute('aria-busy');
  }

  /** Shows that captions are on their way. Former captions stay until then. */
  wait(search: SearchFields): void {
    this.search = search;
    this.lookAway();
    this.explanation.cancel();
    this.explanation = new Explanation(this.photo, search, this.actions.source);
    this.element.setAttribute('aria-busy', 'true');
    this.answer.inert = true;
    this.details?.remove();
    if (!this.result?.captions)
      this.answer.replaceChildren(make('div', { class: 'waiting' }), make('div', { class: 'waiting short' }));
  }

  show(result: Result, milliseconds?: number): void {
    this.result = result;
    this.milliseconds = milliseconds;
    this.element.removeAttribute('aria-busy');
    this.answer.inert = false;
    const { captions, error } = result;
    if (error) {
      this.answer.replaceChildren(
        make('p', { class: 'failed', role: 'alert' }, error.message),
        make('div', {}, this.retryButton()),
      );
      return;
    }
    const [best, ...others] = captions;
    this.words = new CaptionWords(best, {
      immediate: () => this.explanation.loaded,
      look: (index) => void this.look(index),
      lookAway: () => {
        this.lookAway();
      },
    });
    this.answer.replaceChildren(
      best.tokens.length > 0 ? this.words.element : make('p', { class: 'hint' }, 'The caption has no words.'),
      this.facts(best),
      ...(others.length > 0 ? [this.otherCaptions(others)] : []),
      this.closer,
    );
    this.lookAway();
    this.details = searchView(this.search.method, this.explanation);
    this.element.append(this.details);
  }

  /** Moves the focus to the caption. */
  focus(): void {
    this.words?.focus();
  }

  /** Frees what belongs to the card alone. */
  release(): void {
    this.explanation.cancel();
    this.element.remove();
    if (this.photo.url) URL.revokeObjectURL(this.photo.url);
  }

  retryButton(): HTMLButtonElement {
    const retry = (): void => {
      this.actions.retry(this);
      this.element.focus();
    };
    return make('button', { type: 'button', class: 'retry', click: retry }, 'Try again');
  }

  closeButton(): HTMLButtonElement {
    const close = (): void => {
      this.actions.close(this);
    };
    const label = `Close ${this.photo.name}`;
    return make('button', { class: 'quiet close', type: 'button', 'aria-label': label, click: close }, '✕');
  }

  private heading(): HTMLElement {
    const { name } = this.photo;
    return make('div', { class: 'top' }, make('p', { class: 'name', title: name }, name), this.closeButton());
  }

  /** A line with the confidence, the time and things to do with the caption. */
  private facts({ caption, confidence }: AnsweredCaption): HTMLElement {
    const code = (): void => {
      showCode(this.photo.name, this.search, this.actions.source);
    };
    const time = this.milliseconds === undefined ? [] : [make('span', { class: 'time' }, seconds(this.milliseconds))];
    return make(
      'div',
      { class: 'facts' },
      ...confidenceBadge(confidence),
      ...time,
      copyButton('Copy the caption', () => caption),
      make('button', { type: 'button', class: 'quiet small', title: 'Show this request as code', click: code }, 'Code'),
    );
  }

  private otherCaptions(captions: readonly AnsweredCaption[]): HTMLElement {
    return make(
      'ol',
      { class: 'others', role: 'list', 'aria-label': 'Other captions' },
      ...captions.map(({ caption, confidence }) => {
        const copy = copyButton(`Copy “${caption}”`, () => caption);
        return make('li', {}, make('span', {}, caption || '(no words)'), ...confidenceBadge(confidence), copy);
      }),
    );
  }

  /** Shows a word's alternatives and where on the photo it comes from. */
  private async look(index: number): Promise<void> {
    this.press(index);
    const { explanation } = this;
    if (!explanation.loaded) this.closer.replaceChildren('Looking closer …');
    try {
      const { words, occlusion } = await explanation.get();
      if (this.looked !== index || this.explanation !== explanation) return; // another word or caption by now
      const { word, alternatives } = words[index];
      const place = spotlight(this.canvas, occlusion.drops[index]);
      this.picture.classList.toggle('lit', place !== undefined);
      const where = place ? `comes mostly from the ${place} of the photo.` : 'comes from no single part of the photo.';
      this.closer.classList.add('used');
      this.closer.replaceChildren(
        make('p', {}, make('strong', {}, word), ` ${where}`),
        make(
          'ul',
          { 'aria-label': `Alternatives to ${word}` },
          ...alternatives.map((other) => bar(other, other.word === word)),
        ),
      );
    } catch (error) {
      if (this.looked === index) this.closer.replaceChildren(make('span', { class: 'failed' }, sentenceOf(error)));
    }
  }

  /** Shows the photo as a whole again. An explanation that only a word needed is given up. */
  private lookAway(): void {
    this.press(undefined);
    if (!this.details?.open) this.explanation.cancel();
    this.picture.classList.remove('lit');
    this.closer.replaceChildren(invitation);
  }

  private press(index: number | undefined): void {
    this.looked = index;
    this.words?.press(index);
  }
}
