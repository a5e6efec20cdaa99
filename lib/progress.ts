/**
 * Reports the progress of long work. Terminal, notebooks and logs each have their own
 * implementation.
 */
export interface ProgressReporter {
  /** Called once before the work. `total` counts `unit`s ('photos', 'steps', 'bytes'). */
  start(task: string, total: number, unit: string): void;
  /**
   * Called during the work. `done` counts from the start of the task; `note` is a short text beside
   * the bar.
   */
  update(done: number, note?: string): void;
  /** Called once after the work, even if it failed. */
  stop(): void;
}

/** Reports nothing. The default of every library function with a reporter. */
export const silent: ProgressReporter = {
  start: () => undefined,
  update: () => undefined,
  stop: () => undefined,
};
