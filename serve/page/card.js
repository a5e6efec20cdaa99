/** A photo on the page, with what the captioner says of it. */

import { explain } from './api.js';
import { make, percent } from './dom.js';
import { spotlight } from './spotlight.js';
import { drawTree } from './tree.js';

export class Card {
  /**
   * @param {{name: string, blob: Blob, url?: string}} photo
   * @param {object} options the search that it is captioned with
   * @param {(card: Card) => void} onClose
   */
  constructor(photo, options, onClose) {
    this.photo = photo;
    this.options = options;
    this.canvas = make('canvas', { 'aria-hidden': 'true' });
    const image = photo.url ? make('img', { src: photo.url, alt: photo.name }) : make('span');
    const frame = make('div.frame', {}, image, this.canvas);
    image.addEventListener('load', () => {
      frame.style.setProperty('--aspect', String(image.naturalWidth / image.naturalHeight));
    });
    this.picture = make('div.picture', {}, frame);
    this.content = make('div.said', {}, this.heading(onClose), make('div.waiting'), make('div.waiting.short'));
    this.element = make(
      photo.url ? 'article.photo' : 'article.photo.bare',
      { 'aria-label': photo.name, 'aria-busy': 'true' },
      this.picture,
      this.content,
    );
    this.element.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') this.look();
    });
  }

  /** @param {{captions?: object[], error?: {message: string}}} result */
  show({ captions, error }) {
    this.element.removeAttribute('aria-busy');
    const [heading] = this.content.children;
    if (error) {
      this.content.replaceChildren(heading, make('p.failed', { role: 'alert' }, error.message));
      return;
    }
    const [best, ...others] = captions;
    this.closer = make('div.closer', { 'aria-live': 'polite' });
    this.content.replaceChildren(
      heading,
      this.wordButtons(best),
      ...(others.length > 0 ? [ranking(captions, this.options)] : []),
      this.closer,
    );
    this.look();
    this.element.append(this.searchDetails());
  }

  heading(onClose) {
    const close = make('button.quiet.close', { type: 'button', 'aria-label': `Close ${this.photo.name}` }, '✕');
    close.addEventListener('click', () => onClose(this));
    return make('div.top', {}, make('p.name', { title: this.photo.name }, this.photo.name), close);
  }

  /** The caption, each word a button; arrow keys go from word to word. */
  wordButtons({ caption, tokens }) {
    this.words = tokens.map(({ word, p }, i) => {
      const button = make(
        'button.word',
        {
          type: 'button',
          p,
          'aria-pressed': 'false',
          'aria-label': `${word}, ${percent(p)}`,
          tabindex: i === 0 ? 0 : -1,
          click: () => this.look(i),
          focus: () => this.look(i),
          mouseenter: () => this.look(i),
        },
        word,
      );
      return button;
    });
    const group = make(
      'div.words',
      { role: 'toolbar', 'aria-label': `${caption}. Arrow keys go from word to word.` },
      ...this.words,
    );
    group.addEventListener('keydown', (event) => {
      const at = this.words.indexOf(document.activeElement);
      const to = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: this.words.length - 1 }[event.key];
      const next = this.words[to];
      if (!next) return;
      event.preventDefault();
      for (const word of this.words) word.tabIndex = word === next ? 0 : -1;
      next.focus();
    });
    group.addEventListener('mouseleave', () => {
      if (!group.contains(document.activeElement)) this.look();
    });
    group.addEventListener('focusout', (event) => {
      if (!group.contains(event.relatedTarget)) this.look();
    });
    return group;
  }

  /** Looks closer at a word: its alternatives, and where on the photo it comes from. Without one, at none. */
  async look(index) {
    this.looked = index;
    this.words?.forEach((word, i) => word.setAttribute('aria-pressed', String(i === index)));
    if (index === undefined) {
      this.picture.classList.remove('lit');
      this.closer?.replaceChildren('Point at a word to see what else it could have been, and where it comes from.');
      return;
    }
    if (!this.explained) this.closer.replaceChildren('Looking closer …');
    let explanation;
    try {
      explanation = await this.explanation();
    } catch (error) {
      if (this.looked === index) this.closer.replaceChildren(make('span.failed', {}, error.message));
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

  /** Asked for once, when it is first needed; asked again when it failed. */
  explanation() {
    this.explaining ??= explain(this.photo, this.options).then(
      (explanation) => {
        this.explained = true;
        return explanation;
      },
      (error) => {
        this.explaining = undefined;
        throw error;
      },
    );
    return this.explaining;
  }

  searchDetails() {
    const body = make('div', {}, make('p.hint', {}, 'Looking closer …'));
    const details = make('details.search', {}, make('summary', {}, 'How it was found'), body);
    details.addEventListener('toggle', async () => {
      if (!details.open || details.dataset.drawn) return;
      try {
        const { search, words } = await this.explanation();
        details.dataset.drawn = 'yes';
        body.replaceChildren(
          make(
            'p.hint',
            {},
            'Beam search writes several captions at the same time, word by word, and goes on with the likeliest beginnings. A dot is an end.',
          ),
          make(
            'div.scroller',
            { tabindex: 0, role: 'region', 'aria-label': 'The search; it can be scrolled sideways' },
            drawTree(
              search,
              words.map(({ word }) => word),
            ),
          ),
        );
      } catch (error) {
        body.replaceChildren(make('p.failed', {}, error.message));
      }
    });
    return details;
  }
}

/** All captions, the likeliest first, each with its share among them: by itself, every sentence is improbable. */
function ranking(captions, { lengthPenalty }) {
  const scores = captions.map(({ logProbability, tokens }) => logProbability / (tokens.length + 1) ** lengthPenalty);
  const odds = scores.map((score) => Math.exp(score - Math.max(...scores)));
  const all = odds.reduce((sum, odd) => sum + odd, 0);
  return make(
    'ol.ranked',
    { 'aria-label': 'All captions, and how they compare' },
    ...captions.map(({ caption }, i) => bar({ word: caption || '(nothing)', p: odds[i] / all })),
  );
}

/** A line with a text, a bar and a share. */
function bar({ word, p }, chosen = false) {
  return make(
    chosen ? 'li.measure.chosen' : 'li.measure',
    {},
    make('span', {}, word === '<end>' ? '(the end)' : word),
    make('i', { p, 'aria-hidden': 'true' }),
    make('b', {}, percent(p)),
  );
}
