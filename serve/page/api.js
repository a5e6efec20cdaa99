/** What the page asks the service. Every error becomes an Error with a sentence for people. */

/**
 * @import { AnsweredExplanation, AnsweredLine, AnsweredPhoto, PlainError, Readiness } from '../answers.js'
 * @import { SearchFields } from './options.js'
 */

/**
 * A photo to send; `url` shows it, where the browser can.
 * @typedef {{ readonly name: string, readonly blob: Blob, readonly url?: string }} Photo
 */

const keyName = 'captioner-key';

/** The service wants a key that it has not been shown. */
export class KeyNeeded extends Error {}

/** @param {string} key */
export function rememberKey(key) {
  sessionStorage.setItem(keyName, key);
}

/**
 * Whether it captions, why not, and how much it takes at a time.
 * @returns {Promise<Pick<Readiness, 'status' | 'error'> & Partial<Readiness>>}
 */
export async function readiness() {
  try {
    return await (await fetch('readyz')).json();
  } catch {
    return { status: 'not-ready', error: { code: 'unreachable', message: 'The service can not be reached.' } };
  }
}

/** @returns {Promise<string[]>} */
export async function sampleNames() {
  const reply = await fetch('samples').catch(() => undefined);
  return reply?.ok ? await reply.json() : [];
}

/**
 * Captions photos in one request and calls `onPhoto` for each as it comes.
 * @param {readonly Photo[]} photos
 * @param {SearchFields} search
 * @param {(index: number, result: AnsweredPhoto) => void} onPhoto
 */
export async function caption(photos, search, onPhoto) {
  const { body } = await post('caption', formOf(photos, search), 'application/x-ndjson');
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value = '', done } = await reader.read();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      /** @type {AnsweredLine} */
      const { index, ...result } = JSON.parse(line);
      onPhoto(index, result);
    }
    if (done) return;
  }
}

/**
 * How the captioner came to the caption of a photo.
 * @param {Photo} photo
 * @param {SearchFields} search
 * @returns {Promise<AnsweredExplanation>}
 */
export async function explain(photo, search) {
  return (await post('explain', formOf([photo], search), 'application/json')).json();
}

/**
 * @param {readonly Photo[]} photos
 * @param {SearchFields} search
 */
function formOf(photos, search) {
  const form = new FormData();
  for (const [name, value] of Object.entries(search)) form.append(name, value);
  for (const { name, blob } of photos) form.append('photo', blob, name);
  return form;
}

/**
 * @param {string} path
 * @param {FormData} body
 * @param {string} accept
 */
async function post(path, body, accept) {
  const key = sessionStorage.getItem(keyName);
  let reply;
  try {
    reply = await fetch(path, {
      method: 'POST',
      body,
      headers: { accept, ...(key && { authorization: `Bearer ${key}` }) },
    });
  } catch {
    throw new Error('The service can not be reached. Is it still running?');
  }
  if (reply.ok) return reply;
  /** @type {{ readonly error?: PlainError }} */
  const { error } = await reply.json().catch(() => ({}));
  const message = error?.message ?? `The service answered ${reply.status}.`;
  throw reply.status === 401 ? new KeyNeeded(message) : new Error(message);
}
