/** Calls of the service. Every failure becomes an Error whose message is a sentence for people. */

import type { AnsweredExplanation, AnsweredLine, AnsweredPhoto, PlainError, Readiness } from '../answers.js';
import type { SearchFields } from './options.js';

/** A photo to send. */
export interface Photo {
  readonly name: string;
  readonly blob: Blob;
  /** Address of its picture, if the browser can show it. */
  readonly url?: string;
}

const keyName = 'captioner-key';

/** The service wants a key that it has not been shown. */
export class KeyNeeded extends Error {}

export function rememberKey(key: string): void {
  sessionStorage.setItem(keyName, key);
}

/** Whether the service captions, why not, and how much it takes at a time. */
export async function readiness(): Promise<Pick<Readiness, 'status' | 'error'> & Partial<Readiness>> {
  try {
    return (await (await fetch('readyz')).json()) as Readiness;
  } catch {
    return { status: 'not-ready', error: { code: 'unreachable', message: 'The service can not be reached.' } };
  }
}

export async function sampleNames(): Promise<string[]> {
  const reply = await fetch('samples').catch(() => undefined);
  return reply?.ok ? ((await reply.json()) as string[]) : [];
}

/** Captions photos in one request and calls `onPhoto` for each as it comes. */
export async function caption(
  photos: readonly Photo[],
  search: SearchFields,
  onPhoto: (index: number, result: AnsweredPhoto) => void,
): Promise<void> {
  const { body } = await post('caption', formOf(photos, search), 'application/x-ndjson');
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
export async function explain(photo: Photo, search: SearchFields): Promise<AnsweredExplanation> {
  const reply = await post('explain', formOf([photo], search), 'application/json');
  return (await reply.json()) as AnsweredExplanation;
}

function formOf(photos: readonly Photo[], search: SearchFields): FormData {
  const form = new FormData();
  for (const [name, value] of Object.entries(search)) form.append(name, value);
  for (const { name, blob } of photos) form.append('photo', blob, name);
  return form;
}

async function post(path: string, body: FormData, accept: string): Promise<Response> {
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
  const { error } = (await reply.json().catch(() => ({}))) as { readonly error?: PlainError };
  const message = error?.message ?? `The service answered ${reply.status}.`;
  throw reply.status === 401 ? new KeyNeeded(message) : new Error(message);
}
