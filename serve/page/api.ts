/** Calls of the service. Every failure becomes an Error whose message is a sentence for people. */

import type { AnsweredExplanation, AnsweredLine, AnsweredPhoto, PlainError, Readiness } from '../answers.js';
import { languages } from './code.js';
import { askForKey } from './key-dialog.js';
import type { SearchFields } from './options.js';
import type { CaptionSource, Photo } from './source.js';
import { keep, recall } from './storage.js';

/** The service that the page came from. */
export const service: CaptionSource = { readiness, sampleNames, caption, explain, languages, hasKey };

const keyName = 'captioner-key';

/** Whether a key has been given. */
function hasKey(): boolean {
  return recall('sessionStorage', keyName) !== undefined;
}

/** Whether the service captions, why not, and how much it takes at a time. */
async function readiness(): Promise<Pick<Readiness, 'status' | 'error'> & Partial<Readiness>> {
  try {
    return (await (await fetch('readyz')).json()) as Readiness;
  } catch {
    return { status: 'not-ready', error: { code: 'unreachable', message: 'The service cannot be reached.' } };
  }
}

async function sampleNames(): Promise<string[]> {
  const reply = await fetch('samples').catch(() => undefined);
  return reply?.ok ? ((await reply.json()) as string[]) : [];
}

/** Captions photos in one request and calls `onPhoto` for each as its captions arrive. */
async function caption(
  photos: readonly Photo[],
  search: SearchFields,
  onPhoto: (index: number, result: AnsweredPhoto) => void,
  signal: AbortSignal,
): Promise<void> {
  const { body } = await post('caption', formOf(photos, search), 'application/x-ndjson', signal);
  if (!body) return;
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value = '', done } = await reader.read();
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const { index, ...result } = JSON.parse(line) as AnsweredLine;
      onPhoto(index, result);
    }
    if (done) return;
  }
}

/** The captions of a photo and how the first of them came about. */
async function explain(photo: Photo, search: SearchFields, signal: AbortSignal): Promise<AnsweredExplanation> {
  const reply = await post('explain', formOf([photo], search), 'application/json', signal);
  return (await reply.json()) as AnsweredExplanation;
}

function formOf(photos: readonly Photo[], search: SearchFields): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(search)) form.append(name, value);
  for (const { name, blob } of photos) form.append('photo', blob, name);
  return form;
}

/** Posts a form. Asks for a key, and posts again, for as long as the service wants another one. */
async function post(path: string, body: FormData, accept: string, signal: AbortSignal): Promise<Response> {
  for (;;) {
    const key = recall('sessionStorage', keyName);
    const headers = { accept, ...(key && { authorization: `Bearer ${key}` }) };
    const reply = await fetch(path, { method: 'POST', body, headers, signal }).catch((error: unknown) => {
      if (signal.aborted) throw error;
      throw new Error('The service cannot be reached. Check that it is running, then try again.');
    });
    if (reply.ok) return reply;
    if (reply.status === 401) {
      const given = await askForKey(key !== undefined);
      if (given) {
        keep('sessionStorage', keyName, given);
        continue;
      }
    }
    const { error } = (await reply.json().catch(() => ({}))) as { readonly error?: PlainError };
    throw new Error(error?.message ?? `The service answered with status ${reply.status}.`);
  }
}
