/**
 * A fair queue: requests take turns with one photo each, so that a request with one photo does not wait for
 * all photos of a large one. Within a request, photos are served in order.
 */
export class FairQueue<T extends { readonly group: object }> {
  /** Items by group; the first group is next. */
  private readonly groups = new Map<object, T[]>();
  private count = 0;

  get size(): number {
    return this.count;
  }

  /** The sum of a value over all items. */
  sum(value: (item: T) => number): number {
    let total = 0;
    for (const items of this.groups.values()) for (const item of items) total += value(item);
    return total;
  }

  add(item: T): void {
    this.groups.set(item.group, [...(this.groups.get(item.group) ?? []), item]);
    this.count++;
  }

  /** Puts back an item that was taken, before all others. */
  putBack(item: T): void {
    const waiting = [...this.groups];
    this.groups.clear();
    this.groups.set(item.group, [item]);
    for (const [group, items] of waiting) this.groups.set(group, group === item.group ? [item, ...items] : items);
    this.count++;
  }

  /** Takes up to `limit` items in turn. A group whose next item is not accepted keeps its place. */
  take(limit: number, accept: (item: T) => boolean = () => true): T[] {
    const taken: T[] = [];
    for (let found = true; found && taken.length < limit;) {
      found = false;
      for (const [group, items] of [...this.groups]) {
        if (taken.length === limit) break;
        if (!accept(items[0])) continue;
        found = true;
        taken.push(items[0]);
        this.replace(group, items.slice(1));
      }
    }
    return taken;
  }

  /** @returns whether the item was waiting. */
  remove(item: T): boolean {
    const items = this.groups.get(item.group) ?? [];
    const left = items.filter((other) => other !== item);
    if (left.length === items.length) return false;
    this.count--;
    if (left.length > 0) this.groups.set(item.group, left);
    else this.groups.delete(item.group);
    return true;
  }

  /** Moves the rest of a group behind the others. */
  private replace(group: object, left: T[]): void {
    this.count--;
    this.groups.delete(group);
    if (left.length > 0) this.groups.set(group, left);
  }
}
