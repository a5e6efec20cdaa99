/** The words of a caption as buttons. Pointing at one, or focusing it, looks closer at it. */

import type { AnsweredCaption } from '../answers.js';
import { make, percent } from './dom.js';

/** Time for which the pointer or the focus rests on a word before it is looked at, in milliseconds. Passing over words starts nothing. */
const dwell = 250;

export interface Listener {
  /** Whether looking costs nothing, so that it needs no delay. */
  immediate(): boolean;
  look(index: number): void;
  lookAway(): void;
}

export class CaptionWords {
  readonly element: HTMLElement;
  private readonly buttons: HTMLButtonElement[];
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(
    { caption, tokens }: AnsweredCaption,
    private readonly listener: Listener,
  ) {
    this.buttons = tokens.map(({ word, p }, i) =>
      make(
        'button',
        {
          class: 'word',
          type: 'button',
          p,
          'aria-pressed': 'false',
          'aria-label': `${word}, ${percent(p)}`,
          tabindex: i === 0 ? 0 : -1,
          click: () => {
            this.look(i);
          },
          focus: () => {
            this.lookSoon(i);
          },
          mouseenter: () => {
            this.lookSoon(i);
          },
          mouseleave: () => {
            clearTimeout(this.timer);
          },
        },
        word,
      ),
    );
    this.element = make(
      'div',
      { class: 'words', role: 'toolbar', 'aria-label': `${caption}. Use the arrow keys to move from word to word.` },
      ...this.buttons,
    );
    this.element.addEventListener('keydown', (event) => {
      this.move(event);
    });
    this.element.addEventListener('mouseleave', () => {
      if (!this.element.contains(document.activeElement)) this.lookAway();
    });
    this.element.addEventListener('focusout', ({ relatedTarget }) => {
      if (!(relatedTarget instanceof Node && this.element.contains(relatedTarget))) this.lookAway();
    });
  }

  /** Marks the word that is looked at, or none. */
  press(index: number | undefined): void {
    this.buttons.forEach((button, i) => {
      button.setAttribute('aria-pressed', String(i === index));
    });
  }

  focus(): void {
    this.buttons[0]?.focus({ preventScroll: true });
  }

  private look(index: number): void {
    clearTimeout(this.timer);
    this.listener.look(index);
  }

  private lookSoon(index: number): void {
    clearTimeout(this.timer);
    if (this.listener.immediate()) {
      this.listener.look(index);
      return;
    }
    this.timer = setTimeout(() => {
      this.listener.look(index);
    }, dwell);
  }

  private lookAway(): void {
    clearTimeout(this.timer);
    this.listener.lookAway();
  }

  private move(event: KeyboardEvent): void {
    const at = this.buttons.findIndex((button) => button === document.activeElement);
    const to = new Map([
      ['ArrowRight', at + 1],
      ['ArrowLeft', at - 1],
      ['Home', 0],
      ['End', this.buttons.length - 1],
    ]).get(event.key);
    const next = to === undefined ? undefined : this.buttons[to];
    if (!next) return;
    event.preventDefault();
    for (const button of this.buttons) button.tabIndex = button === next ? 0 : -1;
    next.focus();
  }
}
