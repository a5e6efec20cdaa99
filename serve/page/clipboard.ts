/** Copies text, also where the browser offers no clipboard to pages (a connection without TLS). */

import { make } from './dom.js';

/** @throws Error where the browser does not allow it. */
async function copy(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    return;
  } catch {
    // No secure connection or no permission: the older way may still work.
  }
  const focused = document.activeElement;
  const field = make('textarea', { class: 'unseen', readonly: '', 'aria-hidden': 'true' });
  field.value = text;
  // A modal dialog makes the rest of the page inert, so the field goes into it.
  (document.querySelector('dialog[open]') ?? document.body).append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  if (focused instanceof HTMLElement) focused.focus();
  if (!copied) throw new Error('The browser did not allow copying.');
}

/** A button that copies a text and says for a moment that it did. */
export function copyButton(label: string, textOf: () => string): HTMLButtonElement {
  const text = make('span', { 'aria-live': 'polite' }, 'Copy');
  const run = async (): Promise<void> => {
    text.textContent = await copy(textOf()).then(
      () => 'Copied',
      () => 'Not allowed',
    );
    setTimeout(() => (text.textContent = 'Copy'), 1500);
  };
  return make('button', { type: 'button', class: 'quiet small', title: label, click: () => void run() }, text);
}
