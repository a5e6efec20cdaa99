import { Worker } from 'node:worker_threads';
import type { PlainError } from '../answers.js';
import { ServiceError } from '../errors.js';
import type { FromWorker, ModelInfo, Outcome, Stages, ToWorker, Work, WorkerSettings } from './messages.js';

/** What became of a batch. */
export interface BatchResult {
  readonly outcomes: readonly Outcome[];
  readonly stages?: Stages;
}

/** The thread ended, or was ended, before it had answered. */
export class WorkerDied extends Error {
  override readonly name = 'WorkerDied';
}

/** The checkpoint could not be loaded: why, and what to do. */
export class LoadFailed extends ServiceError {
  constructor({ code, message }: PlainError) {
    super(503, code, message);
  }
}

/** One thread with a captioner in it, which does one batch at a time. */
export class PoolWorker {
  /** Settles when the captioner is loaded and has captioned a trial photo, or can't. */
  readonly ready: Promise<ModelInfo>;
  /** Settles when the thread has ended, for whatever reason. */
  readonly ended: Promise<void>;
  busy = false;

  private readonly thread: Worker;
  private waiting?: { resolve: (result: BatchResult) => void; reject: (error: WorkerDied) => void };

  constructor(settings: WorkerSettings) {
    this.thread = startThread(settings);
    let reason = 'it ended';
    this.thread.on('error', (error: Error) => (reason = error.message));
    this.ended = new Promise((resolve) => {
      this.thread.once('exit', () => {
        this.waiting?.reject(new WorkerDied(reason));
        resolve();
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.thread.on('message', (message: FromWorker) => {
        if (message.type === 'ready') resolve(message.model);
        if (message.type === 'failed') reject(new LoadFailed(message.error));
        if (message.type === 'done') this.waiting?.resolve(message);
      });
      void this.ended.then(() => {
        const message = `The thread that captions could not start: ${reason}.`;
        reject(new LoadFailed({ code: 'internal', message }));
      });
    });
    this.ready.catch(() => undefined); // whoever waits sees it
  }

  /** @throws WorkerDied when the thread ends before it answers. */
  async run(work: readonly Work[]): Promise<BatchResult> {
    this.busy = true;
    try {
      return await new Promise<BatchResult>((resolve, reject) => {
        this.waiting = { resolve, reject };
        const message: ToWorker = { work };
        this.thread.postMessage(message);
      });
    } finally {
      this.waiting = undefined;
      this.busy = false;
    }
  }

  /** Ends the thread, whatever it does. */
  async stop(): Promise<void> {
    await this.thread.terminate();
  }
}

/** worker.js beside this file, or worker.ts where tsx runs the sources. */
function startThread(settings: WorkerSettings): Worker {
  const options = { workerData: settings, name: 'captioner' };
  if (!import.meta.url.endsWith('.ts')) return new Worker(new URL('./worker.js', import.meta.url), options);
  const file = JSON.stringify(new URL('./worker.ts', import.meta.url).href);
  const start = `import('tsx/esm/api').then(({ register }) => { register(); return import(${file}); });`;
  return new Worker(start, { ...options, eval: true });
}
