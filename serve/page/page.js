/** The page: photos come in by any way, captions come out. */

import { caption, KeyNeeded, readiness, rememberKey, sampleNames } from './api.js';
import { setUpCamera } from './camera.js';
import { Card } from './card.js';
import { byId, make } from './dom.js';
import { forgetAll, remember, remembered } from './history.js';
import { filesOf, takeIn, thumbnail } from './intake.js';

/** Photos of one request: few, so that the first captions come soon. */
const together = 8;

let limits = { maxFiles: together };

/** Captions files, each in a card of its own, the first on top. */
async function captionFiles(files) {
  if (files.length === 0) return;
  document.body.classList.add('used');
  const options = readOptions();
  const photos = await Promise.all(files.map(takeIn));
  const cards = photos.map((photo) => new Card(photo, options, close));
  byId('results').prepend(...cards.map(({ element }) => element));
  cards[0].element.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
  announce(files.length === 1 ? `Captioning ${photos[0].name}.` : `Captioning ${files.length} photos.`);
  const step = Math.min(together, limits.maxFiles);
  for (let first = 0; first < cards.length; first += step)
    await captionCards(cards.slice(first, first + step), options);
}

async function captionCards(cards, options) {
  const open = new Set(cards);
  const show = (card, result) => {
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
        (index, result) => show(cards[index], result),
      ),
    );
    for (const card of open) show(card, { error: { message: 'The answer was cut short. Try again.' } });
  } catch (error) {
    for (const card of open) show(card, { error: { message: error.message } });
  }
}

/** Asks for a key when the service wants one, and tries again. */
async function withKey(action) {
  try {
    return await action();
  } catch (error) {
    if (!(error instanceof KeyNeeded)) throw error;
    const dialog = byId('key-dialog');
    dialog.returnValue = '';
    dialog.showModal();
    await new Promise((resolve) => dialog.addEventListener('close', resolve, { once: true }));
    if (dialog.returnValue !== 'ok') throw error;
    rememberKey(byId('key').value.trim());
    return action();
  }
}

function close(card) {
  const next = card.element.nextElementSibling ?? byId('results');
  card.element.remove();
  if (card.photo.url) URL.revokeObjectURL(card.photo.url);
  (next.querySelector('.close') ?? next).focus();
  announce(`${card.photo.name} closed.`);
}

function announce(text) {
  byId('live').textContent = text;
}

async function keep(photo, captions, options) {
  if (!photo.url) return;
  await remember({ name: photo.name, thumbnail: await thumbnail(photo.blob), captions, options });
  await showHistory();
}

async function showHistory() {
  const photos = await remembered();
  byId('earlier').hidden = photos.length === 0;
  for (const image of byId('history').querySelectorAll('img')) URL.revokeObjectURL(image.src);
  byId('history').replaceChildren(
    ...photos.map((photo) => {
      const [{ caption: text }] = photo.captions;
      const image = make('img', { src: URL.createObjectURL(photo.thumbnail), alt: '' });
      const again = make('button', { type: 'button', title: photo.name }, image, make('span', {}, text));
      again.addEventListener('click', () => showAgain(photo));
      return make('li', {}, again);
    }),
  );
}

/** What was said before, without asking again. */
function showAgain({ name, thumbnail: blob, captions, options }) {
  document.body.classList.add('used');
  const card = new Card({ name, blob, url: URL.createObjectURL(blob) }, options, close);
  card.show({ captions });
  byId('results').prepend(card.element);
  card.element.scrollIntoView({ behavior: 'smooth', block: 'nearest' });
  card.words?.[0]?.focus({ preventScroll: true });
}

/** The options, kept from visit to visit. */
function setUpOptions() {
  const form = byId('options');
  const saved = JSON.parse(localStorage.getItem('captioner-options') ?? '{}');
  for (const [name, value] of Object.entries(saved)) if (form.elements[name]) form.elements[name].value = value;
  const show = () => {
    // No more captions than the beam is wide.
    if (Number(form.elements.beam.value) < Number(form.elements.n.value))
      form.elements.beam.value = form.elements.n.value;
    for (const name of Object.keys(readOptions())) form.elements[`${name}Out`].value = form.elements[name].value;
    localStorage.setItem('captioner-options', JSON.stringify(readOptions()));
  };
  form.addEventListener('input', show);
  form.addEventListener('submit', (event) => event.preventDefault());
  show();
}

function readOptions() {
  const { n, beam, lengthPenalty } = byId('options').elements;
  return { n: Number(n.value), beam: Number(beam.value), lengthPenalty: Number(lengthPenalty.value) };
}

async function setUpSamples() {
  const names = await sampleNames();
  const group = byId('samples');
  group.hidden = names.length === 0;
  group.append(
    ...names.map((name) => {
      const image = make('img', { src: `samples/${name}`, alt: name.replace(/\.\w+$/, ''), loading: 'lazy' });
      const button = make('button', { type: 'button' }, image);
      button.addEventListener('click', async () => {
        const blob = await (await fetch(image.src)).blob();
        await captionFiles([new File([blob], name, { type: blob.type })]);
      });
      return button;
    }),
  );
}

function setUpDropAndPaste() {
  let depth = 0;
  const dragging = (change) => {
    depth = Math.max(0, depth + change);
    document.body.classList.toggle('dragging', depth > 0);
  };
  document.addEventListener('dragenter', () => dragging(1));
  document.addEventListener('dragleave', () => dragging(-1));
  document.addEventListener('dragover', (event) => event.preventDefault());
  document.addEventListener('drop', (event) => {
    event.preventDefault();
    dragging(-Infinity);
    void captionFiles(filesOf(event.dataTransfer));
  });
  document.addEventListener('paste', (event) => {
    const files = filesOf(event.clipboardData);
    if (files.length > 0) void captionFiles(files);
  });
  byId('files').addEventListener('change', ({ target }) => {
    void captionFiles([...target.files]);
    target.value = '';
  });
}

/** As the system, light, dark. */
function setUpTheme() {
  const themes = ['system', 'light', 'dark'];
  const button = byId('theme');
  let theme = localStorage.getItem('captioner-theme') ?? 'system';
  const show = () => {
    if (theme === 'system') delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.setAttribute('aria-label', `Colours: ${theme === 'system' ? 'as the system' : theme}`);
    button.title = button.getAttribute('aria-label');
  };
  button.addEventListener('click', () => {
    theme = themes[(themes.indexOf(theme) + 1) % themes.length];
    localStorage.setItem('captioner-theme', theme);
    show();
  });
  show();
}

/** Until the service captions, says why it does not. */
async function watchReadiness() {
  const { status, error, limits: told } = await readiness();
  if (told) {
    limits = told;
    const { beam, n } = byId('options').elements;
    beam.max = told.maxBeam;
    n.max = Math.min(5, told.maxBeam);
  }
  const notice = byId('notice');
  notice.hidden = status === 'ready';
  if (status === 'ready') return;
  notice.textContent = error?.message ?? 'The service is not ready.';
  setTimeout(() => void watchReadiness(), 2000);
}

setUpTheme();
setUpOptions();
setUpDropAndPaste();
setUpCamera((file) => void captionFiles([file]));
byId('forget').addEventListener('click', async () => {
  await forgetAll();
  await showHistory();
  announce('All is forgotten.');
  byId('files').focus();
});
void watchReadiness();
void setUpSamples();
void showHistory();
