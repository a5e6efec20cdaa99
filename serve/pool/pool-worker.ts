import { fork, type ChildProcess } from 'node:child_process';
import type { PlainError } from '../answers.js';
import { ServiceError } from '../errors.js';
import type { FromWorker, ModelInfo, Outcome, Stages, ToWorker, Work, WorkerSettings } from './messages.js';

/** The result of a batch. */
export interface BatchResult {
  readonly outcomes: readonly Outcome[];
  readonly stages?: Stages;
}

/** The process ended, or was ended, before it had answered. */
export class WorkerDied extends Error {
  override readonly name = 'WorkerDied';
}

/** The checkpoint could not be loaded: why, and what to do. */
export class LoadFailed extends ServiceError {
  constructor({ code, message }: PlainError) {
    super(503, code, message);
  }
}

/**
 * One process with a captioner, which does one batch at a time. It is not a thread, because native code
 * decodes and computes: a crash or a forced stop of native code ends its whole process.
 */
export class PoolWorker {
  /** Settles when the captioner is loaded and has captioned a trial photo, or can't. */
  readonly ready: Promise<ModelInfo>;
  /** Settles when the process has ended, for whatever reason. */
  readonly ended: Promise<void>;
  busy = false;
  /** Resident memory when it last had something to say, in bytes. */
  memory = 0;

  private readonly child: ChildProcess;
  private waiting?: { resolve: (result: BatchResult) => void; reject: (error: WorkerDied) => void };

  constructor(settings: WorkerSettings) {
    this.child = startProcess(settings);
    let reason = 'it ended';
    this.ended = new Promise((resolve) => {
      const end = (why: string) => {
        reason = why;
        this.waiting?.reject(new WorkerDied(reason));
        resolve();
      };
      this.child.once('error', ({ message }) => {
        end(message);
      });
      this.child.once('exit', (code, signal) => {
        end(signal ? `it ended by ${signal}` : `it ended with code ${code}`);
      });
    });
    this.ready = new Promise((resolve, reject) => {
      this.child.on('message', (message: FromWorker) => {
        this.memory = message.memory;
        if (message.type === 'ready') resolve(message.model);
        if (message.type === 'failed') reject(new LoadFailed(message.error));
        if (message.type === 'done') this.waiting?.resolve(message);
      });
      void this.ended.then(() => {
        const message = `The worker process could not start: ${reason}.`;
        reject(new LoadFailed({ code: 'internal', message }));
      });
    });
    this.ready.catch(() => undefined); // those who await it see the error
  }

  /**
   * Runs a batch.
   * @param seconds time after which nobody waits for an answer.
   * @param alone whether all other workers are idle, and nothing waits.
   * @throws WorkerDied when the process ends before it answers.
   */
  async run(work: readonly Work[], seconds: number, alone: boolean): Promise<BatchResult> {
    this.busy = true;
    try {
      return await new Promise<BatchResult>((resolve, reject) => {
        this.waiting = { resolve, reject };
        const message: ToWorker = { work, seconds, alone };
        this.child.send(message, () => undefined); // a failure to send means that the process has ended, which is seen above
      });
    } finally {
      this.waiting = undefined;
      this.busy = false;
    }
  }

  /** Ends the process, whatever it does. */
  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await this.ended;
  }
}

/** worker.js next to this file, or worker.ts if tsx runs the sources. */
function startProcess(settings: WorkerSettings): ChildProcess {
  const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
  return fork(new URL(file, import.meta.url), [JSON.stringify(settings)], { serialization: 'advanced' });
}
