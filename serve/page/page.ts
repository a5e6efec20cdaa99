/** The page: photos come in by any way, captions come out. */

import type { AnsweredCaption } from '../answers.js';
import { caption, KeyNeeded, readiness, rememberKey, sampleNames, type Photo } from './api.js';
import { setUpCamera } from './camera.js';
import { Card, type Result } from './card.js';
import { byId, make, sentenceOf } from './dom.js';
import { forgetAll, remember, remembered, type RememberedPhoto } from './history.js';
import { filesOf, takeIn, thumbnail } from './intake.js';
import { limitOptions, readOptions, setUpOptions, type SearchFields } from './options.js';

/** Photos of one request: few, so that the first captions come soon. */
const together = 8;

let maxFiles = together;

const results = byId('results', HTMLElement);
const files = byId('files', HTMLInputElement);

/** Captions photos, each in a card of its own, the first on top. */
async function captionFiles(given: readonly File[]): Promise<void> {
  if (given.length === 0) return;
  document.body.classList.add('used');
  const options = readOptions();
  const photos = await Promise.all(given.map(takeIn));
  const cards = photos.map((photo) => new Card(photo, options, close));
  results.prepend(...cards.map(({ element }) => element));
  cards[0].element.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
  announce(given.length === 1 ? `Captioning ${photos[0].name}.` : `Captioning ${given.length} photos.`);
  const step = Math.min(together, maxFiles);
  for (let first = 0; first < cards.length; first += step)
    await captionCards(cards.slice(first, first + step), options);
}

async function captionCards(cards: readonly Card[], options: SearchFields): Promise<void> {
  const open = new Set(cards);
  const show = (card: Card, result: Result): void => {
    open.delete(card);
    card.show(result);
    const { name } = card.photo;
    announce(result.error ? `${name}: ${result.error.message}` : `${name}: ${result.captions[0].caption}`);
    if (result.captions) void keep(card.photo, result.captions, options);
  };
  try {
    await withKey(() =>
      caption(
        cards.map(({ photo }) => photo),
        options,
        (index, result) => {
          show(cards[index], result);
        },
      ),
    );
    for (const card of open) show(card, { error: { message: 'The answer was cut short. Try again.' } });
  } catch (error) {
    for (const card of open) show(card, { error: { message: sentenceOf(error) } });
  }
}

/** Asks for a key when the service wants one, and tries again. */
async function withKey(action: () => Promise<void>): Promise<void> {
  try {
    await action();
  } catch (error) {
    if (!(error instanceof KeyNeeded)) throw error;
    const dialog = byId('key-dialog', HTMLDialogElement);
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => {
      dialog.addEventListener('close', resolve, { once: true });
    });
    if (dialog.returnValue !== 'ok') throw error;
    rememberKey(byId('key', HTMLInputElement).value.trim());
    await action();
  }
}

function close(card: Card): void {
  const next = card.element.nextElementSibling ?? results;
  card.element.remove();
  if (card.photo.url) URL.revokeObjectURL(card.photo.url);
  const button = next.querySelector('.close');
  (button instanceof HTMLElement ? button : results).focus();
  announce(`${card.photo.name} closed.`);
}

function announce(text: string): void {
  byId('live', HTMLElement).textContent = text;
}

async function keep(photo: Photo, captions: readonly AnsweredCaption[], options: SearchFields): Promise<void> {
  if (!photo.url) return;
  await remember({ name: photo.name, thumbnail: await thumbnail(photo.blob), captions, options });
  await showHistory();
}

async function showHistory(): Promise<void> {
  const photos = await remembered();
  byId('earlier', HTMLElement).hidden = photos.length === 0;
  const list = byId('history', HTMLUListElement);
  for (const image of list.querySelectorAll('img')) URL.revokeObjectURL(image.src);
  list.replaceChildren(
    ...photos.map((photo) => {
      const [{ caption: text }] = photo.captions;
      const image = make('img', { src: URL.createObjectURL(photo.thumbnail), alt: '' });
      const properties = {
        type: 'button',
        title: photo.name,
        click: () => {
          showAgain(photo);
        },
      };
      return make('li', {}, make('button', properties, image, make('span', {}, text)));
    }),
  );
}

/** Shows a remembered photo and its captions without asking again. */
function showAgain({ name, thumbnail: blob, captions, options }: RememberedPhoto): void {
  document.body.classList.add('used');
  const card = new Card({ name, blob, url: URL.createObjectURL(blob) }, options, close);
  card.show({ captions });
  results.prepend(card.element);
  card.element.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
  card.words[0]?.focus({ preventScroll: true });
}

async function forget(): Promise<void> {
  await forgetAll();
  await showHistory();
  announce('All is forgotten.');
  files.focus();
}

async function setUpSamples(): Promise<void> {
  const names = await sampleNames();
  const group = byId('samples', HTMLElement);
  group.hidden = names.length === 0;
  group.append(
    ...names.map((name) => {
      const image = make('img', { src: `samples/${name}`, alt: name.replace(/\.\w+$/, ''), loading: 'lazy' });
      const captionSample = async (): Promise<void> => {
        const blob = await (await fetch(image.src)).blob();
        await captionFiles([new File([blob], name, { type: blob.type })]);
      };
      return make('button', { type: 'button', click: () => void captionSample() }, image);
    }),
  );
}

function setUpDropAndPaste(): void {
  let depth = 0;
  const dragging = (change: number): void => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle('dragging', depth > 0);
  };
  document.addEventListener('dragenter', () => {
    dragging(1);
  });
  document.addEventListener('dragleave', () => {
    dragging(-1);
  });
  document.addEventListener('dragover', (event) => {
    event.preventDefault();
  });
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    dragging(-Infinity);
    void captionFiles(filesOf(event.dataTransfer));
  });
  document.addEventListener('paste', (event) => {
    void captionFiles(filesOf(event.clipboardData));
  });
  files.addEventListener('change', () => {
    void captionFiles(filesOf(files));
    files.value = '';
  });
}

/** The colours: those of the system, light, dark. */
function setUpTheme(): void {
  const themes = ['system', 'light', 'dark'];
  const button = byId('theme', HTMLButtonElement);
  let theme = localStorage.getItem('captioner-theme') ?? 'system';
  const show = (): void => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.title = `Colours: ${theme === 'system' ? 'as the system' : theme}`;
    button.setAttribute('aria-label', button.title);
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    localStorage.setItem('captioner-theme', theme);
    show();
  });
  show();
}

/** Says why the service does not caption, until it does. */
async function watchReadiness(): Promise<void> {
  const { status, error, limits } = await readiness();
  if (limits) {
    maxFiles = limits.maxFiles;
    limitOptions(limits);
  }
  const notice = byId('notice', HTMLElement);
  notice.hidden = status === 'ready';
  if (status === 'ready') return;
  notice.textContent = error?.message ?? 'The service is not ready.';
  setTimeout(() => void watchReadiness(), 2000);
}

setUpTheme();
setUpOptions();
setUpDropAndPaste();
setUpCamera((file) => void captionFiles([file]));
byId('forget', HTMLButtonElement).addEventListener('click', () => void forget());
void watchReadiness();
void setUpSamples();
void showHistory();
