/** The page: photos come in, captions come out. */

import { setUpCamera } from './camera.js';
import type { Card } from './card.js';
import { setUpCodeDialog } from './code-dialog.js';
import { byId, make } from './dom.js';
import { clearHistory, remember, remembered, type RememberedPhoto } from './history.js';
import { filesOf, takeIn, thumbnail } from './intake.js';
import { limitOptions, setUpOptions } from './options.js';
import { Results } from './results.js';
import type { CaptionSource } from './source.js';
import { keep, recall } from './storage.js';

/** The parts of a started page. */
interface Started {
  readonly source: CaptionSource;
  readonly results: Results;
  readonly files: HTMLInputElement;
}

type FilesTaker = (files: readonly File[]) => Promise<void>;

/** Ids of cards in the history, so that new captions of a photo replace its former ones. */
const historyIds = new WeakMap<Card, IDBValidKey>();

/**
 * Starts the page.
 * @returns captions files, as if they had been chosen.
 */
export function startPage(source: CaptionSource): (files: readonly File[]) => Promise<void> {
  const results: Results = new Results(source, {
    announce,
    captioned: (card) => void addToHistory(card, started),
  });
  const started: Started = { source, results, files: byId('files', HTMLInputElement) };
  const captionFiles = async (given: readonly File[]): Promise<void> => {
    if (given.length === 0) return;
    document.body.classList.add('used');
    await results.caption(await Promise.all(given.map(takeIn)));
  };
  setUpTheme();
  setUpOptions(() => {
    results.optionsChanged();
  });
  setUpCodeDialog();
  setUpDropAndPaste(started.files, captionFiles);
  setUpCamera((file) => void captionFiles([file]), source.captionVideo);
  byId('clear', HTMLButtonElement).addEventListener('click', () => void clearAll(started));
  void watchReadiness(started);
  void setUpSamples(source, captionFiles);
  void showHistory(started);
  return captionFiles;
}

function announce(text: string): void {
  byId('live', HTMLElement).textContent = text;
}

async function addToHistory(card: Card, page: Started): Promise<void> {
  const { photo, result, search } = card;
  if (!photo.url || !result?.captions) return;
  const entry = {
    name: photo.name,
    thumbnail: await thumbnail(photo.blob),
    captions: result.captions,
    options: search,
  };
  const id = await remember(entry, historyIds.get(card));
  if (id !== undefined) historyIds.set(card, id);
  await showHistory(page);
}

async function showHistory(page: Started): Promise<void> {
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
          showAgain(photo, page);
        },
      };
      return make('li', {}, make('button', properties, image, make('span', {}, text)));
    }),
  );
}

/** Shows a remembered photo and its captions without asking again. */
function showAgain({ id, name, thumbnail: blob, captions, options }: RememberedPhoto, { results }: Started): void {
  document.body.classList.add('used');
  const card = results.show({ name, blob, url: URL.createObjectURL(blob) }, options, { captions });
  if (id !== undefined) historyIds.set(card, id);
}

async function clearAll(page: Started): Promise<void> {
  await clearHistory();
  await showHistory(page);
  announce('The history is empty.');
  page.files.focus();
}

async function setUpSamples(source: CaptionSource, captionFiles: FilesTaker): Promise<void> {
  const names = await source.sampleNames();
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

function setUpDropAndPaste(files: HTMLInputElement, captionFiles: FilesTaker): void {
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
  let theme = recall('localStorage', 'captioner-theme') ?? 'system';
  const show = (): void => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.title = `Colours: ${theme === 'system' ? 'same as the system' : theme}`;
    button.setAttribute('aria-label', button.title);
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    keep('localStorage', 'captioner-theme', theme);
    show();
  });
  show();
}

/** Says why the service does not caption, until it does. */
async function watchReadiness(page: Started): Promise<void> {
  const { status, error, limits } = await page.source.readiness();
  if (limits) {
    page.results.maxFiles = limits.maxFiles;
    limitOptions(limits);
  }
  const notice = byId('notice', HTMLElement);
  notice.hidden = status === 'ready';
  if (status === 'ready') return;
  notice.textContent = error?.message ?? 'The service is not ready.';
  setTimeout(() => void watchReadiness(page), 2000);
}
