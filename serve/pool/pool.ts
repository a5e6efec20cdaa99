import { defaultMaxPixels, type Caption, type Explanation } from '../../lib/index.js';
import { loadProblem, plainError, serviceError, ServiceError } from '../errors.js';
import { priceOf } from '../price.js';
import { Crew } from './crew.js';
import { Job, watchDeparture } from './job.js';
import type { ModelInfo, Stages, Work, WorkerSettings } from './messages.js';
import type { PoolWorker } from './pool-worker.js';
import { FairQueue } from './queue.js';
import { workerCount } from './size.js';

export interface PoolOptions extends Omit<WorkerSettings, 'threads' | 'loneThreads'> {
  /** Threads of each worker. 0 is one, but as many as there are workers for a photo while the others are idle. */
  readonly threads: number;
  /** Number of workers; 0 is one for each core, or fewer where memory is short. */
  readonly workers: number;
  /** Photos that a worker takes at a time, at most. */
  readonly batch: number;
  /** Captions that may wait, each counted by its price. */
  readonly queue: number;
  /** Maximum explanations that wait besides the photos. */
  readonly explanations: number;
  /** Bytes that photos may take while they wait, for the number of workers. */
  readonly uploadBytes?: number;
  /** Seconds that a photo may take, waiting included. */
  readonly timeout: number;
  readonly observer?: Partial<PoolObserver>;
}

/** Observes a pool, for logs and metrics. */
export interface PoolObserver {
  batchStarted(photos: number, worker: PoolWorker): void;
  batchDone(seconds: number, stages: Stages | undefined): void;
  /** A worker ended or could not start, or something unexpected happened in it. */
  trouble(error: Error): void;
}

/** The status of a pool. */
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

/** A photo of a client, and how to caption it. */
export type Order = Omit<Work, 'kind'>;

/**
 * Captions photos in worker processes, several at a time: the next free worker takes waiting photos together.
 * Every accepted photo is answered, with captions or with an error.
 */
export class CaptionPool {
  private readonly queue = new FairQueue<Job>();
  private readonly running = new Set<Job>();
  private readonly size: number;
  private crew: Crew;
  private reloading = false;
  private closing = false;
  private closed?: Promise<void>;
  private wake: () => void = () => undefined;
  /** Seconds that a caption of the default search takes a worker, on average over the last ones. */
  private secondsPerCaption = 0.05;

  /** Begins to load the checkpoint; photos may be given to it when {@link status} says so. */
  constructor(private readonly options: PoolOptions) {
    const { limits, uploadBytes = 0 } = options;
    const { maxPixelsInFlight = defaultMaxPixels } = limits;
    this.size = options.workers || workerCount({ maxPixelsInFlight, uploadBytes });
    this.crew = this.makeCrew();
    this.crew.startUntilReady();
  }

  get status(): PoolStatus {
    const { model, error, workers } = this.crew;
    const ready = !this.closing && workers.size > 0;
    let problem: string | undefined;
    if (!ready) {
      problem = 'The captioner is loading. Try again in a moment.';
      if (error) problem = loadProblem(error.code);
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
   * @returns for each photo, captions or an error. The promises never reject.
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
   * Captions and explains a photo.
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
   * Loads the checkpoint again while the old one serves, tries it on a photo, and switches to it. The old one
   * finishes its photos. A checkpoint that can't be loaded changes nothing.
   * @throws ServiceError 409 during another reload; 500 if the checkpoint can't be loaded: `cause` has the
   *   details.
   */
  async reload(): Promise<ModelInfo> {
    if (this.reloading || this.closing) {
      throw new ServiceError(
        409,
        'busy',
        'A checkpoint is already being loaded, or the service is stopping. Try again in a moment.',
      );
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
      const { code } = plainError(error);
      const message = `The checkpoint was not reloaded; the previous one stays in service. ${loadProblem(code)}`;
      throw new ServiceError(500, code, message, { cause: error });
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
    await this.crew.retire();
    for (const job of this.queue.take(Infinity)) job.settle(stopping());
  }

  private makeCrew(): Crew {
    const { checkpoint, encoder, threads, precision, limits } = this.options;
    const settings = {
      threads: threads || 1,
      loneThreads: threads || this.size,
      ...{ precision, limits },
      ...(checkpoint && { checkpoint }),
      ...(encoder && { encoder }),
    };
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
    if (!ready) throw new ServiceError(503, this.closing ? 'stopping' : 'not-ready', problem!, { retryAfter: 5 });
    const group = {};
    const forget = (job: Job) => {
      this.queue.remove(job);
      this.wake();
    };
    this.checkRoom(work);
    const jobs = work.map((item) => new Job(item, group, this.options.timeout, forget));
    for (const job of jobs) this.queue.add(job);
    watchDeparture(jobs, signal);
    this.dispatch();
    return jobs;
  }

  /** Captions and explanations have separate limits, counted by cost. @throws ServiceError 503 */
  private checkRoom(work: readonly Work[]): void {
    const [{ kind }] = work;
    const { queue, explanations } = this.options;
    const most = kind === 'caption' ? queue : explanations * priceOf(work[0]);
    const waiting = this.queue.sum((job) => (job.kind === kind ? job.price : 0));
    if (waiting + work.reduce((sum, item) => sum + priceOf(item), 0) <= most) return;
    const seconds = (waiting * this.secondsPerCaption) / this.crew.workers.size;
    throw new ServiceError(
      503,
      'busy',
      `Too many ${kind === 'caption' ? 'photos' : 'explanations'} are waiting. Try again in a moment.`,
      { retryAfter: Math.min(60, Math.max(1, Math.ceil(seconds))) },
    );
  }

  /** The error for a client; the details of an unexpected one go to the log. */
  private told(error: { code: string; message: string }): ServiceError {
    if (error.code !== 'internal') return serviceError(error);
    const unexpected = new Error(error.message);
    this.options.observer?.trouble?.(unexpected);
    return serviceError(plainError(unexpected));
  }

  /** Gives waiting photos to idle workers, at once: photos that arrive while all workers are busy form the next batches. */
  private dispatch(): void {
    for (let idle = this.crew.idle; idle.length > 0; idle = this.crew.idle) {
      const jobs = this.takeJobs(Math.min(this.options.batch, Math.ceil(this.queue.size / idle.length)));
      if (jobs.length === 0) return;
      void this.run(this.crew, idle[0], jobs);
    }
  }

  /**
   * Takes the photos of a batch, all of the same search. Heavy jobs and suspects go alone, and heavy ones leave a worker to the others
   * where there are several.
   */
  private takeJobs(limit: number): Job[] {
    const heavy = [...this.running].filter((job) => job.heavy).length;
    const mayTakeHeavy = heavy < Math.max(1, this.crew.workers.size - 1);
    const [first] = this.queue.take(1, (job) => !job.heavy || mayTakeHeavy);
    if (!first) return [];
    if (first.heavy || first.suspect) return [first];
    return [first, ...this.queue.take(limit - 1, (job) => job.key === first.key && !job.suspect)];
  }

  private async run(crew: Crew, worker: PoolWorker, jobs: readonly Job[]): Promise<void> {
    const { observer, timeout } = this.options;
    for (const job of jobs) this.running.add(job);
    const start = performance.now();
    // A worker that does not answer any more is replaced.
    const watch = setTimeout(() => void worker.stop(), timeout * 1000);
    const alone = this.queue.size === 0 && crew.idle.length === crew.workers.size;
    try {
      const work = jobs.map(({ kind, bytes, search }) => ({ kind, bytes, search }));
      const answer = worker.run(work, Math.max(...jobs.map(({ secondsLeft }) => secondsLeft)), alone);
      observer?.batchStarted?.(jobs.length, worker);
      const { outcomes, stages } = await answer;
      const seconds = (performance.now() - start) / 1000;
      const price = jobs.reduce((sum, job) => sum + job.price, 0);
      this.secondsPerCaption += 0.1 * (seconds / price - this.secondsPerCaption);
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
      const message = 'The worker process ended unexpectedly twice while captioning this photo. Try another photo.';
      job.settle(new ServiceError(500, 'worker-died', message));
      return;
    }
    job.suspect = true;
    this.queue.putBack(job);
  }
}

function stopping(): ServiceError {
  return new ServiceError(503, 'stopping', 'The service is stopping.', { retryAfter: 5 });
}
