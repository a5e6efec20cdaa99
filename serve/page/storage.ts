/** Small values that the browser keeps. Where it does not (storage blocked or full), they last as long as the page. */

type Area = 'localStorage' | 'sessionStorage';

const memory = new Map<string, string>();

/** The value kept under a name, if there is one. */
export function recall(area: Area, name: string): string | undefined {
  const held = memory.get(name);
  if (held !== undefined) return held;
  try {
    return window[area].getItem(name) ?? undefined;
  } catch {
    return undefined;
  }
}

export function keep(area: Area, name: string, value: string): void {
  memory.set(name, value);
  try {
    window[area].setItem(name, value);
  } catch {
    // Blocked or full: memory has the value.
  }
}
