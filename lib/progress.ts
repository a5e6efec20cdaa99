/** How far long work has come. The terminal, notebooks and logs each draw it in their own way. */
export interface ProgressReporter {
  /** Called once, before the work. `total` is in `unit`s ('photos', 'steps', 'bytes'). */
  start(task: string, total: number, unit: string): void;
  /** Called as the work goes on. `done` counts from the beginning of the task, `note` is a short text beside the bar. */
  update(done: number, note?: string): void;
  /** Called once, after the work, also when it failed. */
  stop(): void;
}

/** Reports nothing. The default of every library function that takes a reporter. */
export const silent: ProgressReporter = {
  start: () => undefined,
  update: () => undefined,
  stop: () => undefined,
};
