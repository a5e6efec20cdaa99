/** Work that is begun before it is needed: the next photos are decoded while a step runs. */
export class Prefetcher<Key, Value> {
  private readonly begun = new Map<Key, Promise<Value>>();

  /** Begins what {@link take} will ask for. An error in it is met when it is taken, not before. */
  begin(key: Key, work: () => Promise<Value>): void {
    if (this.begun.has(key)) return;
    const coming = work();
    coming.catch(() => undefined);
    this.begun.set(key, coming);
  }

  /** Gives what was begun, once; what was not is begun now. */
  take(key: Key, work: () => Promise<Value>): Promise<Value> {
    const value = this.begun.get(key) ?? work();
    this.begun.delete(key);
    return value;
  }

  /** Waits until nothing is at work any more. */
  async close(): Promise<void> {
    await Promise.allSettled(this.begun.values());
    this.begun.clear();
  }
}
