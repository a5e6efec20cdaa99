import { ServiceError } from '../errors.js';
import type { Outcome, Work } from './messages.js';

/** What became of a photo: captions or an explanation, or the error that kept it from having any. */
export type Answer = Exclude<Outcome, { error: object }> | ServiceError;

/** One photo that a pool has accepted. It is answered exactly once. */
export class Job implements Work {
  readonly kind: Work['kind'];
  readonly bytes: Uint8Array;
  readonly search: Work['search'];
  /** What becomes of it; never rejected. */
  readonly answer: Promise<Answer>;
  /** It has been with a worker that died: it is tried once more, by itself, in case that it was the cause. */
  suspect = false;
  settled = false;

  private resolve!: (answer: Answer) => void;
  private readonly timer: NodeJS.Timeout;

  /**
   * @param group photos of one request share it.
   * @param seconds after which it is answered that time is up.
   * @param onSettled what to do when it is answered, by whatever.
   */
  constructor(
    { kind, bytes, search }: Work,
    readonly group: object,
    seconds: number,
    private readonly onSettled: (job: Job) => void,
  ) {
    [this.kind, this.bytes, this.search] = [kind, bytes, search];
    this.answer = new Promise((resolve) => (this.resolve = resolve));
    this.timer = setTimeout(() => {
      const message = `The photo was not captioned within ${seconds} seconds. Try again when there is less to do.`;
      this.settle(new ServiceError(504, 'timeout', message, 5));
    }, seconds * 1000);
  }

  /** The first answer counts. */
  settle(answer: Answer): void {
    if (this.settled) return;
    this.settled = true;
    clearTimeout(this.timer);
    this.resolve(answer);
    this.onSettled(this);
  }
}

/** Answers jobs for nobody when their client leaves. */
export function watchDeparture(jobs: readonly Job[], signal: AbortSignal | undefined): void {
  if (!signal) return;
  const leave = () => {
    for (const job of jobs) job.settle(new ServiceError(499, 'cancelled', 'The client has left.'));
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
