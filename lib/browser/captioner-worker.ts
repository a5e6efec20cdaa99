/** The worker in which a page's captioner runs, so that the page stays responsive. */

import { CaptionerError } from '../errors.js';
import { Engine } from './engine.js';
import type { Call, DownloadProgress, Reply, Request } from './messages.js';

/** The part of a worker's global scope that is used. */
interface WorkerScope {
  onmessage: ((event: MessageEvent<Request>) => void) | null;
  postMessage(reply: Reply): void;
}

const scope = globalThis as unknown as WorkerScope;
const running = new Map<number, AbortController>();
let engine: Engine | undefined;
/** Calls run one after the other: each takes all threads. */
let last: Promise<unknown> = Promise.resolve();

scope.onmessage = ({ data }) => {
  if (data.kind === 'cancel') {
    running.get(data.id)?.abort();
    return;
  }
  const { id, ...call } = data;
  const controller = new AbortController();
  running.set(id, controller);
  last = last.then(() => answer(id, call, controller.signal)).finally(() => running.delete(id));
};

async function answer(id: number, call: Call, signal: AbortSignal): Promise<void> {
  try {
    signal.throwIfAborted();
    const onProgress = (progress: DownloadProgress) => {
      scope.postMessage({ id, kind: 'progress', progress });
    };
    scope.postMessage({ id, kind: 'result', result: await resultOf(call, onProgress, signal) });
  } catch (error) {
    if (signal.aborted) return;
    const { code, message } = explained(error);
    scope.postMessage({ id, kind: 'error', code, message });
  }
}

async function resultOf(
  call: Call,
  onProgress: (progress: DownloadProgress) => void,
  signal: AbortSignal,
): Promise<unknown> {
  if (call.kind === 'load') {
    engine = await Engine.load(call.model, call.options, onProgress, signal);
    return engine.device;
  }
  return await engine![call.kind](call.photo, call.search, signal);
}

/** An error in the project's terms. */
function explained(error: unknown): CaptionerError {
  if (error instanceof CaptionerError && !outOfMemory.test(error.message)) return error;
  const { message } = error as Error;
  if (error instanceof RangeError || outOfMemory.test(message)) {
    return new CaptionerError(
      'unsupported',
      `There is not enough memory (${message}). Close other tabs, then reload the page.`,
    );
  }
  return new CaptionerError(
    'unsupported',
    `The captioner failed: ${message}. Reload the page, or try another browser.`,
  );
}

const outOfMemory = /out of memory|bad_alloc|allocation failed|could not allocate/i;
