/** What the page asks the service. Every error becomes an Error with a sentence for people. */

const keyName = 'captioner-key';

/** The service wants a key that it has not been shown. */
export class KeyNeeded extends Error {}

export function rememberKey(key) {
  sessionStorage.setItem(keyName, key);
}

/** Whether it captions, why not, and how much it takes at a time. */
export async function readiness() {
  try {
    return await (await fetch('readyz')).json();
  } catch {
    return { status: 'not-ready', error: { message: 'The service can not be reached.' } };
  }
}

export async function sampleNames() {
  const reply = await fetch('samples').catch(() => undefined);
  return reply?.ok ? await reply.json() : [];
}

/**
 * Captions photos in one request and calls `onPhoto(index, result)` for each as it comes.
 * @param {{name: string, blob: Blob}[]} photos
 */
export async function caption(photos, options, onPhoto) {
  const form = new FormData();
  for (const [name, value] of Object.entries(options)) form.append(name, String(value));
  for (const { name, blob } of photos) form.append('photo', blob, name);
  const reply = await post('caption', form, { accept: 'application/x-ndjson' });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value = '', done } = await reader.read();
    const lines = (rest + value).split('\n');
    rest = lines.pop();
    for (const line of lines) {
      const { index, ...result } = JSON.parse(line);
      onPhoto(index, result);
    }
    if (done) return;
  }
}

/** How the captioner came to the caption of a photo. */
export async function explain({ name, blob }, options) {
  const form = new FormData();
  for (const [option, value] of Object.entries(options)) form.append(option, String(value));
  form.append('photo', blob, name);
  return (await post('explain', form)).json();
}

async function post(path, body, headers = {}) {
  const key = sessionStorage.getItem(keyName);
  let reply;
  try {
    reply = await fetch(path, {
      method: 'POST',
      body,
      headers: { ...headers, ...(key && { authorization: `Bearer ${key}` }) },
    });
  } catch {
    throw new Error('The service can not be reached. Is it still running?');
  }
  if (reply.ok) return reply;
  const { error } = await reply.json().catch(() => ({}));
  const message = error?.message ?? `The service answered ${reply.status}.`;
  throw reply.status === 401 ? new KeyNeeded(message) : new Error(message);
}
