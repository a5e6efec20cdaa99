/** Work that begins before its result is needed: the next photos are decoded while a step runs. */
export class Prefetcher<Key, Value> {
  private readonly begun = new Map<Key, Promise<Value>>();

  /**
   * Begins work whose result {@link take} will request. An error surfaces when the result is taken.
   */
  begin(key: Key, work: () => Promise<Value>): void {
    if (this.begun.has(key)) return;
    const coming = work();
    coming.catch(() => undefined);
    this.begun.set(key, coming);
  }

  /** Takes the result, once. Begins the work now if it has not begun. */
  take(key: Key, work: () => Promise<Value>): Promise<Value> {
    const value = this.begun.get(key) ?? work();
    this.begun.delete(key);
    return value;
  }

  /** Waits until all work has ended. */
  async close(): Promise<void> {
    await Promise.allSettled(this.begun.values());
    this.begun.clear();
  }
}
