/** Asks for the key that the service wants. */

import { byId } from './dom.js';

let asking: Promise<string | undefined> | undefined;

/** The key that the visitor gives; undefined if none. Requests that need it at the same time share one question. */
export function askForKey(rejected: boolean): Promise<string | undefined> {
  asking ??= ask(rejected).finally(() => (asking = undefined));
  return asking;
}

function ask(rejected: boolean): Promise<string | undefined> {
  const dialog = byId('key-dialog', HTMLDialogElement);
  const field = byId('key', HTMLInputElement);
  byId('key-rejected', HTMLElement).hidden = !rejected;
  field.value = '';
  dialog.returnValue = '';
  dialog.showModal();
  return new Promise((resolve) => {
    const close = (): void => {
      resolve(dialog.returnValue === 'ok' ? field.value.trim() : undefined);
    };
    dialog.addEventListener('close', close, { once: true });
  });
}
