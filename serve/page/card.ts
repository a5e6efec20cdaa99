/** A photo on the page, with what the captioner says of it. */

import type { AnsweredCaption, AnsweredExplanation } from '../answers.js';
import { explain, type Photo } from './api.js';
import { bar, ranking } from './bars.js';
import { make, percent, sentenceOf } from './dom.js';
import type { SearchFields } from './options.js';
import { spotlight } from './spotlight.js';
import { drawTree } from './tree.js';

/** The captions of a photo, or an error. */
export type Result =
  | { readonly captions: readonly AnsweredCaption[]; readonly error?: undefined }
  | { readonly captions?: undefined; readonly error: { readonly message: string } };

const invitation = 'Point at a word to see what else it could have been, and where it comes from.';

/** An explanation of each search method. */
const ways: Readonly<Record<string, string>> = {
  beam: 'Beam search writes several captions at the same time, word by word, and goes on with the likeliest beginnings.',
  diverse:
    'Groups of beams write captions at the same time, word by word; each avoids the words that the groups before it have chosen for the same place.',
  sample: 'Each word was drawn by its probability, and each caption without regard to the others.',
  stochastic: 'Beginnings were drawn by their probabilities, word by word, no two of them alike.',
};

export class Card {
  readonly element: HTMLElement;
  words: HTMLButtonElement[] = [];
  /** Index of the word that is looked at. */
  private looked: number | undefined;
  private explaining: Promise<AnsweredExplanation> | undefined;
  private explained = false;
  private readonly canvas = make('canvas', { 'aria-hidden': 'true' });
  private readonly closer = make('div', { class: 'closer', 'aria-live': 'polite' });
  private readonly picture: HTMLElement;
  private readonly top: HTMLElement;
  private readonly content: HTMLElement;

  constructor(
    readonly photo: Photo,
    private readonly search: SearchFields,
    onClose: (card: Card) => void,
  ) {
    const image = photo.url ? make('img', { src: photo.url, alt: photo.name }) : make('span');
    const frame = make('div', { class: 'frame' }, image, this.canvas);
    if (image instanceof HTMLImageElement) {
      image.addEventListener('load', () => {
        frame.style.setProperty('--aspect', String(image.naturalWidth / image.naturalHeight));
      });
    }
    this.picture = make('div', { class: 'picture' }, frame);
    this.top = this.heading(onClose);
    this.content = make(
      'div',
      { class: 'said' },
      this.top,
      make('div', { class: 'waiting' }),
      make('div', { class: 'waiting short' }),
    );
    this.element = make(
      'article',
      { class: photo.url ? 'photo' : 'photo bare', 'aria-label': photo.name, 'aria-busy': 'true' },
      this.picture,
      this.content,
    );
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.lookAway();
    });
  }

  show({ captions, error }: Result): void {
    this.element.removeAttribute('aria-busy');
    if (error) {
      this.content.replaceChildren(this.top, make('p', { class: 'failed', role: 'alert' }, error.message));
      return;
    }
    this.content.replaceChildren(
      this.top,
      this.wordButtons(captions[0]),
      ...(captions.length > 1 ? [ranking(captions, this.search)] : []),
      this.closer,
    );
    this.lookAway();
    this.element.append(this.searchDetails());
  }

  private heading(onClose: (card: Card) => void): HTMLElement {
    const { name } = this.photo;
    const close = make(
      'button',
      {
        class: 'quiet close',
        type: 'button',
        'aria-label': `Close ${name}`,
        click: () => {
          onClose(this);
        },
      },
      '✕',
    );
    return make('div', { class: 'top' }, make('p', { class: 'name', title: name }, name), close);
  }

  /** The caption, each word a button; arrow keys move from word to word. */
  private wordButtons({ caption, tokens }: AnsweredCaption): HTMLElement {
    this.words = tokens.map(({ word, p }, i) => {
      const look = (): void => void this.look(i);
      return make(
        'button',
        {
          class: 'word',
          type: 'button',
          p,
          'aria-pressed': 'false',
          'aria-label': `${word}, ${percent(p)}`,
          tabindex: i === 0 ? 0 : -1,
          click: look,
          focus: look,
          mouseenter: look,
        },
        word,
      );
    });
    const group = make(
      'div',
      { class: 'words', role: 'toolbar', 'aria-label': `${caption}. Arrow keys go from word to word.` },
      ...this.words,
    );
    group.addEventListener('keydown', (event) => {
      const at = this.words.findIndex((word) => word === document.activeElement);
      const to = new Map([
        ['ArrowRight', at + 1],
        ['ArrowLeft', at - 1],
        ['Home', 0],
        ['End', this.words.length - 1],
      ]).get(event.key);
      const next = to === undefined ? undefined : this.words[to];
      if (!next) return;
      event.preventDefault();
      for (const word of this.words) word.tabIndex = word === next ? 0 : -1;
      next.focus();
    });
    group.addEventListener('mouseleave', () => {
      if (!group.contains(document.activeElement)) this.lookAway();
    });
    group.addEventListener('focusout', ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && group.contains(relatedTarget))) this.lookAway();
    });
    return group;
  }

  /** Shows a word's alternatives and where on the photo it comes from. */
  private async look(index: number): Promise<void> {
    this.press(index);
    if (!this.explained) this.closer.replaceChildren('Looking closer …');
    let explanation;
    try {
      explanation = await this.explanation();
    } catch (error) {
      if (this.looked === index) this.closer.replaceChildren(make('span', { class: 'failed' }, sentenceOf(error)));
      return;
    }
    if (this.looked !== index) return; // another word by now
    const { word, alternatives } = explanation.words[index];
    const place = spotlight(this.canvas, explanation.occlusion.drops[index]);
    this.picture.classList.toggle('lit', place !== undefined);
    const where = place ? `comes mostly from the ${place} of the photo.` : 'comes from no single part of the photo.';
    this.closer.classList.add('used');
    this.closer.replaceChildren(
      make('p', {}, make('strong', {}, word), ` ${where}`),
      make(
        'ul',
        { 'aria-label': `Instead of ${word}` },
        ...alternatives.map((other) => bar(other, other.word === word)),
      ),
    );
  }

  /** Shows the photo as a whole again. */
  private lookAway(): void {
    this.press(undefined);
    this.picture.classList.remove('lit');
    this.closer.replaceChildren(invitation);
  }

  private press(index: number | undefined): void {
    this.looked = index;
    this.words.forEach((word, i) => {
      word.setAttribute('aria-pressed', String(i === index));
    });
  }

  /** The explanation, asked for when it is first needed and again after a failure. */
  private explanation(): Promise<AnsweredExplanation> {
    this.explaining ??= explain(this.photo, this.search).then(
      (explanation) => {
        this.explained = true;
        return explanation;
      },
      (error: unknown) => {
        this.explaining = undefined;
        throw error;
      },
    );
    return this.explaining;
  }

  private searchDetails(): HTMLElement {
    const body = make('div', {}, make('p', { class: 'hint' }, 'Looking closer …'));
    const details = make('details', { class: 'search' }, make('summary', {}, 'How it was found'), body);
    let drawn = false;
    const draw = async (): Promise<void> => {
      if (!details.open || drawn) return;
      try {
        const { search, words } = await this.explanation();
        drawn = true;
        const tree = drawTree(
          search,
          words.map(({ word }) => word),
        );
        body.replaceChildren(
          make('p', { class: 'hint' }, `${ways[this.search.method] ?? ways.beam} A dot is an end.`),
          make(
            'div',
            {
              class: 'scroller',
              tabindex: 0,
              role: 'region',
              'aria-label': 'The search; it can be scrolled sideways',
            },
            tree,
          ),
        );
      } catch (error) {
        body.replaceChildren(make('p', { class: 'failed' }, sentenceOf(error)));
      }
    };
    details.addEventListener('toggle', () => void draw());
    return details;
  }
}
