import { availableParallelism } from 'node:os';
import type { Caption, Explanation } from '../../lib/index.js';
import { plainError, serviceError, ServiceError } from '../errors.js';
import { Crew } from './crew.js';
import { Job, watchDeparture } from './job.js';
import type { ModelInfo, Stages, Work, WorkerSettings } from './messages.js';
import type { PoolWorker } from './pool-worker.js';
import { FairQueue } from './queue.js';

export interface PoolOptions extends Pick<WorkerSettings, 'checkpoint' | 'encoder' | 'maxPixels' | 'precision'> {
  /** 0 is one for each core. */
  readonly workers: number;
  /** Threads that each computes with. */
  readonly threads: number;
  /** Photos that a worker takes at a time, at most. */
  readonly batch: number;
  /** Milliseconds that a photo waits for others to join it while there is a worker for it. */
  readonly batchDelay: number;
  /** Photos that may wait. */
  readonly queue: number;
  /** Seconds that a photo may take, waiting included. */
  readonly timeout: number;
  readonly observer?: Partial<PoolObserver>;
}

/** Sees what a pool does, for logs and metrics. */
export interface PoolObserver {
  batchStarted(photos: number, worker: PoolWorker): void;
  batchDone(seconds: number, stages: Stages | undefined): void;
  /** A worker ended or could not start, or something unexpected happened in it. */
  trouble(error: Error): void;
}

/** How a pool is. */
export interface PoolStatus {
  readonly ready: boolean;
  /** Why it is not ready, and what to do. */
  readonly problem?: string;
  readonly model?: ModelInfo;
  readonly workers: number;
  /** Resident memory of all workers, in bytes. */
  readonly memory: number;
  readonly waiting: number;
  readonly running: number;
}

/** Something to do with a photo for a client. */
export type Order = Omit<Work, 'kind'>;

/**
 * Captions photos in processes of their own, several at a time: photos that wait are taken together by the next worker that is free.
 * What was accepted is answered: with captions, or with the error that kept it from having any.
 */
export class CaptionPool {
  private readonly queue = new FairQueue<Job>();
  private readonly running = new Set<Job>();
  private readonly size: number;
  private crew: Crew;
  private reloading = false;
  private closing = false;
  private closed?: Promise<void>;
  private timer?: NodeJS.Timeout;
  private wake: () => void = () => undefined;
  /** Seconds that a photo takes a worker, on average over the last ones. */
  private secondsPerPhoto = 0.05;

  /** Begins to load the checkpoint; photos may be given to it when {@link status} says so. */
  constructor(private readonly options: PoolOptions) {
    this.size = options.workers || availableParallelism();
    this.crew = this.makeCrew();
    this.crew.startUntilReady();
  }

  get status(): PoolStatus {
    const { model, error, workers } = this.crew;
    const ready = !this.closing && workers.size > 0;
    let problem: string | undefined;
    if (!ready) {
      problem = 'The captioner is being loaded. Try again in a moment.';
      if (error) problem = error.message;
      if (this.closing) problem = 'The service is stopping.';
    }
    return {
      ready,
      ...(problem !== undefined && { problem }),
      ...(model && { model }),
      workers: workers.size,
      memory: [...workers].reduce((sum, { memory }) => sum + memory, 0),
      waiting: this.queue.size,
      running: this.running.size,
    };
  }

  /**
   * Captions the photos of one request, all or none of them accepted.
   * @returns what becomes of each: captions, or the error that kept it from having any. The promises are never rejected.
   * @throws ServiceError 503 when too many wait or the pool is not ready.
   */
  caption(photos: readonly Order[], signal?: AbortSignal): Promise<readonly Caption[] | ServiceError>[] {
    const jobs = this.accept(
      photos.map((order) => ({ ...order, kind: 'caption' })),
      signal,
    );
    return jobs.map(async ({ answer }) => {
      const outcome = await answer;
      if (outcome instanceof ServiceError) return outcome;
      return 'captions' in outcome ? outcome.captions : new ServiceError(500, 'internal', 'There are no captions.');
    });
  }

  /**
   * Captions a photo and says how.
   * @throws ServiceError
   */
  async explain(order: Order, signal?: AbortSignal): Promise<Explanation> {
    const [job] = this.accept([{ ...order, kind: 'explain' }], signal);
    const outcome = await job.answer;
    if (outcome instanceof ServiceError) throw outcome;
    if (!('explanation' in outcome)) throw new ServiceError(500, 'internal', 'There is no explanation.');
    return outcome.explanation;
  }

  /**
   * Loads the checkpoint anew beside the one that serves, tries it on a photo, and lets it take over. The former one finishes what it
   * has begun. When it can't be loaded, all stays as it was.
   * @throws ServiceError 409 while another is being loaded; 500 with the reason why it can't be.
   */
  async reload(): Promise<ModelInfo> {
    if (this.reloading || this.closing) {
      throw new ServiceError(409, 'busy', 'A checkpoint is being loaded already, or the service is stopping.');
    }
    this.reloading = true;
    const next = this.makeCrew();
    try {
      const model = await next.start();
      if (this.closing) {
        await next.retire();
        throw stopping();
      }
      const former = this.crew;
      this.crew = next;
      this.dispatch();
      await former.retire();
      return model;
    } catch (error) {
      const { code, message } = plainError(error);
      throw new ServiceError(500, code, `The checkpoint was not reloaded, the former one goes on. ${message}`);
    } finally {
      this.reloading = false;
    }
  }

  /** Accepts nothing more, finishes what was accepted, and ends. */
  close(): Promise<void> {
    this.closed ??= this.finish();
    return this.closed;
  }

  private async finish(): Promise<void> {
    this.closing = true;
    this.dispatch();
    while (this.queue.size > 0 || this.running.size > 0) {
      await new Promise<void>((resolve) => (this.wake = resolve));
    }
    clearTimeout(this.timer);
    await this.crew.retire();
    for (const job of this.queue.take(Infinity)) job.settle(stopping());
  }

  private makeCrew(): Crew {
    const { checkpoint, encoder, threads, precision, maxPixels } = this.options;
    const settings = { threads, precision, maxPixels, ...(checkpoint && { checkpoint }), ...(encoder && { encoder }) };
    const crew: Crew = new Crew({
      size: this.size,
      settings,
      onIdle: () => {
        if (crew === this.crew) this.dispatch();
      },
      onTrouble: (error) => this.options.observer?.trouble?.(error),
    });
    return crew;
  }

  /** Makes jobs of the photos of one request, all or none. @throws ServiceError 503 */
  private accept(work: readonly Work[], signal?: AbortSignal): Job[] {
    const { ready, problem } = this.status;
    if (!ready) throw new ServiceError(503, 'not-ready', problem!, 5);
    const { queue, timeout } = this.options;
    if (this.queue.size + work.length > queue) {
      const seconds = (this.queue.size * this.secondsPerPhoto) / this.crew.workers.size;
      throw new ServiceError(
        503,
        'busy',
        `${this.queue.size} photos wait already, and more than ${queue} may not. Try again in a moment.`,
        Math.min(60, Math.max(1, Math.ceil(seconds))),
      );
    }
    const group = {};
    const forget = (job: Job) => {
      this.queue.remove(job);
      this.wake();
    };
    const jobs = work.map((item) => new Job(item, group, timeout, forget));
    for (const job of jobs) this.queue.add(job);
    watchDeparture(jobs, signal);
    this.dispatch();
    return jobs;
  }

  /** Of an unexpected error the log says more than the client is told. */
  private told(error: { code: string; message: string }): ServiceError {
    if (error.code !== 'internal') return serviceError(error);
    const unexpected = new Error(error.message);
    this.options.observer?.trouble?.(unexpected);
    return serviceError(plainError(unexpected));
  }

  /** Gives waiting photos to workers that have nothing to do. */
  private dispatch(): void {
    const { batch, batchDelay } = this.options;
    const idle = this.crew.idle;
    if (this.queue.size === 0 || idle.length === 0) return;
    if (this.queue.size < batch && !this.closing) {
      // Photos that arrive in the same moment go together.
      this.timer ??= setTimeout(() => {
        this.timer = undefined;
        this.send();
      }, batchDelay);
      return;
    }
    this.send();
  }

  private send(): void {
    for (let idle = this.crew.idle; idle.length > 0; idle = this.crew.idle) {
      const jobs = this.takeJobs(Math.min(this.options.batch, Math.ceil(this.queue.size / idle.length)));
      if (jobs.length === 0) return;
      void this.run(this.crew, idle[0], jobs);
    }
  }

  /** Explanations and suspects go alone, and explanations leave a worker to the others where there are several. */
  private takeJobs(limit: number): Job[] {
    const explaining = [...this.running].filter(({ kind }) => kind === 'explain').length;
    const mayExplain = explaining < Math.max(1, this.crew.workers.size - 1);
    const [first] = this.queue.take(1, ({ kind }) => kind === 'caption' || mayExplain);
    if (!first) return [];
    const alone = ({ kind, suspect }: Job) => kind === 'explain' || suspect;
    return alone(first) ? [first] : [first, ...this.queue.take(limit - 1, (job) => !alone(job))];
  }

  private async run(crew: Crew, worker: PoolWorker, jobs: readonly Job[]): Promise<void> {
    const { observer, timeout } = this.options;
    for (const job of jobs) this.running.add(job);
    const start = performance.now();
    // A worker that answers no more is of no use.
    const watch = setTimeout(() => void worker.stop(), timeout * 1000);
    try {
      const work = jobs.map(({ kind, bytes, search }) => ({ kind, bytes, search }));
      const answer = worker.run(work);
      observer?.batchStarted?.(jobs.length, worker);
      const { outcomes, stages } = await answer;
      const seconds = (performance.now() - start) / 1000;
      this.secondsPerPhoto += 0.1 * (seconds / jobs.length - this.secondsPerPhoto);
      observer?.batchDone?.(seconds, stages);
      for (const job of jobs) this.running.delete(job);
      jobs.forEach((job, i) => {
        const outcome = outcomes[i];
        job.settle(outcome.error ? this.told(outcome.error) : outcome);
      });
    } catch {
      for (const job of jobs) this.running.delete(job);
      for (const job of [...jobs].reverse()) this.tryAgain(job);
    } finally {
      clearTimeout(watch);
      this.wake();
      crew.release();
      this.dispatch();
    }
  }

  private tryAgain(job: Job): void {
    if (job.settled) return;
    if (job.suspect) {
      const message = 'The process that captioned this photo has ended, twice. Try another photo.';
      job.settle(new ServiceError(500, 'worker-died', message));
      return;
    }
    job.suspect = true;
    this.queue.putBack(job);
  }
}

function stopping(): ServiceError {
  return new ServiceError(503, 'stopping', 'The service is stopping.', 5);
}
