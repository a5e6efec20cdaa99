/** Lets works of one kind run together, and works of another kind each by itself. */
export class Gate {
  private running = 0;
  /** Called when nothing runs any longer. */
  private idle?: () => void;
  /** The end of the last work that runs by itself or waits for its turn. */
  private last: Promise<void> | undefined;

  /** Runs a work together with others, unless one runs by itself or waits for that: then after it. */
  async together<Result>(work: () => Promise<Result>): Promise<Result> {
    while (this.last) await this.last;
    this.running++;
    try {
      return await work();
    } finally {
      if (--this.running === 0) this.idle?.();
    }
  }

  /** Runs a work by itself, after all that have begun. */
  async alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = this.last;
    let finish!: () => void;
    const end = new Promise<void>((resolve) => (finish = resolve));
    this.last = end;
    try {
      await before;
      if (this.running > 0) await new Promise<void>((resolve) => (this.idle = resolve));
      return await work();
    } finally {
      if (this.last === end) this.last = undefined;
      finish();
    }
  }
}
