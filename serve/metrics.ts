import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { Stages } from './pool/messages.js';
import type { CaptionPool } from './pool/pool.js';
import type { UploadBudget } from './uploads.js';

const seconds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

/** Metrics for Prometheus, at /metrics. */
export class Metrics {
  readonly registry = new Registry();

  private readonly requests = this.histogram('captioner_http_request_seconds', 'Time to answer a request.', [
    'method',
    'route',
    'status',
  ]);
  private readonly photos = new Counter({
    name: 'captioner_photos_total',
    help: 'Photos by their outcome: captioned, or the code of the error.',
    labelNames: ['outcome'],
    registers: [this.registry],
  });
  private readonly batchPhotos = new Histogram({
    name: 'captioner_batch_photos',
    help: 'Photos that a worker took at a time.',
    buckets: [1, 2, 4, 8, 16, 32, 64],
    registers: [this.registry],
  });
  private readonly batches = this.histogram('captioner_batch_seconds', 'Time that a worker took for its photos.', []);
  private readonly stages = this.histogram('captioner_stage_seconds', 'Time of each stage of a batch.', ['stage']);
  private readonly troubles = new Counter({
    name: 'captioner_worker_troubles_total',
    help: 'Workers that ended or could not start, and unexpected errors in them.',
    registers: [this.registry],
  });

  /** @param defaults whether to include the process itself (memory, event loop, garbage collection). */
  constructor(defaults: boolean) {
    if (defaults) collectDefaultMetrics({ register: this.registry });
  }

  /** Reads the state of pool and uploads at each scrape. */
  watch(pool: CaptionPool, budget: UploadBudget): void {
    this.gauge('captioner_photos_waiting', 'Photos that wait for a worker.', () => pool.status.waiting);
    this.gauge('captioner_photos_running', 'Photos that workers have taken.', () => pool.status.running);
    this.gauge('captioner_workers', 'Workers that are ready to caption.', () => pool.status.workers);
    this.gauge('captioner_workers_resident_memory_bytes', 'Memory of the workers.', () => pool.status.memory);
    this.gauge('captioner_upload_bytes', 'Photos held in memory.', () => budget.bytes);
  }

  request(method: string, route: string, status: number, duration: number): void {
    this.requests.observe({ method, route, status }, duration);
  }

  photo(outcome: string): void {
    this.photos.inc({ outcome });
  }

  batchStarted(photos: number): void {
    this.batchPhotos.observe(photos);
  }

  batchDone(duration: number, stages: Stages | undefined): void {
    this.batches.observe(duration);
    for (const [stage, time] of Object.entries(stages ?? {})) this.stages.observe({ stage }, time as number);
  }

  trouble(): void {
    this.troubles.inc();
  }

  private histogram(name: string, help: string, labelNames: string[]): Histogram {
    return new Histogram({ name, help, labelNames, buckets: seconds, registers: [this.registry] });
  }

  private gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.registry],
      collect() {
        this.set(read());
      },
    });
  }
}
