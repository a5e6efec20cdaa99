import { ServiceError } from '../errors.js';
import type { Outcome, Work } from './messages.js';
import { priceOf } from '../price.js';

/** Price of the most expensive captions that share a batch with others. */
const heaviest = 4;

/** The result of a photo: captions or an explanation, or the error that kept it from having any. */
export type Answer = Exclude<Outcome, { error: object }> | ServiceError;

/** A photo that a pool has accepted. It is answered exactly once. */
export class Job implements Work {
  readonly kind: Work['kind'];
  readonly bytes: Uint8Array;
  readonly search: Work['search'];
  /** Captions of the default search that take as long. */
  readonly price: number;
  /** Jobs with the same key go through a worker together. */
  readonly key: string;
  /** Its result; never rejected. */
  readonly answer: Promise<Answer>;
  /** Whether its worker died. It is tried once more, alone, because it may be the cause. */
  suspect = false;
  settled = false;

  private resolve!: (answer: Answer) => void;
  private readonly timer: NodeJS.Timeout;
  private readonly deadline: number;

  /**
   * @param group photos of one request share it.
   * @param seconds time after which it is answered with an error.
   * @param onSettled called when it is answered.
   */
  constructor(
    { kind, bytes, search }: Work,
    readonly group: object,
    seconds: number,
    private readonly onSettled: (job: Job) => void,
  ) {
    [this.kind, this.bytes, this.search] = [kind, bytes, search];
    this.price = priceOf(this);
    this.key = JSON.stringify([kind, search]);
    this.deadline = performance.now() + seconds * 1000;
    this.answer = new Promise((resolve) => (this.resolve = resolve));
    this.timer = setTimeout(() => {
      const message = `The photo was not captioned within ${seconds} seconds. Try again when the service is less busy.`;
      this.settle(new ServiceError(504, 'timeout', message, { retryAfter: 5 }));
    }, seconds * 1000);
  }

  /** Whether it takes so long that it goes through a worker alone. */
  get heavy(): boolean {
    return this.price > heaviest;
  }

  /** Seconds until it is answered with an error. */
  get secondsLeft(): number {
    return (this.deadline - performance.now()) / 1000;
  }

  /** Answers it; the first answer counts. */
  settle(answer: Answer): void {
    if (this.settled) return;
    this.settled = true;
    clearTimeout(this.timer);
    this.resolve(answer);
    this.onSettled(this);
  }
}

/** Ends jobs when their client leaves. */
export function watchDeparture(jobs: readonly Job[], signal: AbortSignal | undefined): void {
  if (!signal) return;
  const leave = () => {
    for (const job of jobs) job.settle(new ServiceError(499, 'cancelled', 'The client has disconnected.'));
  };
  if (signal.aborted) {
    leave();
    return;
  }
  signal.addEventListener('abort', leave, { once: true });
  void Promise.all(jobs.map(({ answer }) => answer)).then(() => {
    signal.removeEventListener('abort', leave);
  });
}
