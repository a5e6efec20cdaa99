/** The dialog that shows a call of the service as code. */

import { copyButton } from './clipboard.js';
import { byId, make } from './dom.js';
import { changedOptions, type SearchFields } from './options.js';
import type { CaptionSource } from './source.js';

/** The language that was shown last. */
let last = '';

/** Shows the code that captions a photo as the page did, in the languages of its source. */
export function showCode(file: string, search: SearchFields, { languages, hasKey }: CaptionSource): void {
  const url = new URL('caption', document.baseURI).href;
  const call = { url, file, options: changedOptions(search), keyed: hasKey() };
  const dialog = byId('code-dialog', HTMLDialogElement);
  const code = byId('code', HTMLPreElement);
  const show = (language: string): void => {
    last = language;
    code.textContent = languages[language](call);
  };
  const names = Object.keys(languages);
  const chosen = names.includes(last) ? last : names[0];
  const choices = names.map((language) => {
    const radio = make('input', { type: 'radio', name: 'language', value: language });
    radio.checked = language === chosen;
    radio.addEventListener('change', () => {
      show(language);
    });
    return make('label', { class: 'choice' }, radio, language);
  });
  byId('languages', HTMLFieldSetElement).replaceChildren(
    make('legend', { class: 'unseen' }, 'Language'),
    ...choices,
    copyButton('Copy the code', () => code.textContent),
  );
  show(chosen);
  dialog.showModal();
}

export function setUpCodeDialog(): void {
  const dialog = byId('code-dialog', HTMLDialogElement);
  byId('code-close', HTMLButtonElement).addEventListener('click', () => {
    dialog.close();
  });
}
