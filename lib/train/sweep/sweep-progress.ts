import type { ProgressReporter } from '../../progress.js';

/** The progress of a sweep in epochs of all its runs, with the note of the run that is being trained. */
export class SweepProgress {
  private done = 0;

  /** @param epochs planned for all runs together. */
  constructor(
    private readonly reporter: ProgressReporter | undefined,
    private readonly epochs: number,
  ) {}

  start(): void {
    this.reporter?.start('Sweep', this.epochs, 'epochs');
    this.reporter?.update(0);
  }

  stop(): void {
    this.reporter?.stop();
  }

  /** Counts epochs that are done, or no longer needed. */
  add(epochs: number, note = ''): void {
    this.done = Math.min(this.epochs, this.done + epochs);
    this.reporter?.update(round(this.done), note);
  }

  /**
   * The reporter for a run.
   * @param epochs of the whole run.
   * @param from epochs of it that are counted already.
   */
  ofRun(name: string, epochs: number, from: number): ProgressReporter {
    let steps = 0;
    return {
      start: (_task, total, unit) => {
        steps = unit === 'steps' ? total : 0;
      },
      update: (step, note = '') => {
        if (steps === 0) return;
        const epoch = (epochs * step) / steps;
        this.reporter?.update(round(this.done + Math.max(0, epoch - from)), `${name}  ${note}`);
      },
      stop: () => undefined,
    };
  }
}

/** Tenths are enough for people. */
function round(epochs: number): number {
  return Math.round(10 * epochs) / 10;
}
