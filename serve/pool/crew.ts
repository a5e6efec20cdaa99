import type { ModelInfo, WorkerSettings } from './messages.js';
import { LoadFailed, PoolWorker } from './pool-worker.js';

export interface CrewOptions {
  readonly size: number;
  readonly settings: WorkerSettings;
  /** Called when a worker is ready. */
  readonly onIdle: () => void;
  /** Called when a worker ended unexpectedly, or a new one could not start. */
  readonly onTrouble: (error: Error) => void;
}

/** Seconds before the next attempt to start a worker that could not, doubled up to the last. */
const firstPause = 1;
const lastPause = 60;

const changed = {
  code: 'mismatch',
  message: 'The checkpoint differs from the one in service. Reload it, so that all workers use the same one.',
};

/** Workers that have loaded the same checkpoint. One that ends is replaced, until they retire. */
export class Crew {
  readonly workers = new Set<PoolWorker>();
  model?: ModelInfo;
  /** The reason why there is no worker yet. */
  error?: LoadFailed;

  private retired = false;
  private pause = firstPause;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(private readonly options: CrewOptions) {}

  /**
   * Starts one worker, then, when that has loaded its captioner, the others.
   * @throws LoadFailed when it can't; then nothing is left running.
   */
  async start(): Promise<ModelInfo> {
    const { size } = this.options;
    try {
      const model = await this.hire();
      await Promise.all(Array.from({ length: size - 1 }, () => this.hire()));
      return model;
    } catch (error) {
      await this.dismiss();
      throw error;
    }
  }

  /** Starts one worker, then the others, each again and again until it succeeds or they retire. */
  startUntilReady(): void {
    this.hireUntilReady(() => {
      for (let i = 1; i < this.options.size; i++) this.hireUntilReady();
    });
  }

  get idle(): PoolWorker[] {
    return [...this.workers].filter(({ busy }) => !busy);
  }

  /** No new work comes: ends each worker when it has done its batch. */
  async retire(): Promise<void> {
    this.retired = true;
    for (const timer of this.timers) clearTimeout(timer);
    while ([...this.workers].some(({ busy }) => busy)) await new Promise<void>((resolve) => (this.done = resolve));
    await this.dismiss();
  }

  /** A worker has answered. */
  release(): void {
    this.done();
  }

  private done: () => void = () => undefined;

  private async hire(): Promise<ModelInfo> {
    const worker = new PoolWorker(this.options.settings);
    this.starting.add(worker);
    try {
      const model = await worker.ready;
      if (this.workers.size > 0 && model.fingerprint !== this.model?.fingerprint) throw new LoadFailed(changed);
      this.model = model;
      this.workers.add(worker);
      this.error = undefined;
      void worker.ended.then(() => {
        this.replace(worker);
      });
      this.options.onIdle();
      return model;
    } catch (error) {
      this.error = error as LoadFailed;
      await worker.stop();
      throw error;
    } finally {
      this.starting.delete(worker);
    }
  }

  private readonly starting = new Set<PoolWorker>();

  private replace(worker: PoolWorker): void {
    // It was dismissed in the meantime.
    if (!this.workers.delete(worker)) return;
    this.done();
    this.options.onTrouble(new Error('A worker process ended unexpectedly. Another one replaces it.'));
    this.hireUntilReady();
  }

  private hireUntilReady(then: () => void = () => undefined): void {
    if (this.retired) return;
    this.hire().then(
      () => {
        this.pause = firstPause;
        then();
      },
      (error: unknown) => {
        if (this.retired) return;
        this.options.onTrouble(error as Error);
        this.later(() => {
          this.hireUntilReady(then);
        });
      },
    );
  }

  private later(action: () => void): void {
    const timer = setTimeout(() => {
      this.timers.delete(timer);
      action();
    }, this.pause * 1000);
    this.timers.add(timer);
    this.pause = Math.min(lastPause, this.pause * 2);
  }

  private async dismiss(): Promise<void> {
    const all = [...this.workers, ...this.starting];
    this.workers.clear();
    await Promise.all(all.map((worker) => worker.stop()));
  }
}
