import { closeSync, linkSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';

const held = new Set<string>();
let attempts = 0;

/**
 * Keeps other processes away from a file or folder that this one writes, by a file that holds this process's number.
 * A lock whose process has died, killed perhaps, does not count.
 *
 * @returns what gives it back, or undefined while somebody else holds it.
 */
export function acquireLock(file: string): (() => void) | undefined {
  if (held.has(file)) return undefined;
  for (let attempt = 0; attempt < 3; attempt++) {
    if (create(file)) {
      held.add(file);
      return () => {
        held.delete(file);
        rmSync(file, { force: true });
      };
    }
    const other = holder(file);
    if (isAlive(other)) return undefined;
    removeDead(file, other);
  }
  return undefined;
}

/** Makes the file with its content in one step: nobody ever sees it without. */
function create(file: string): boolean {
  const own = privateName(file);
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Some network and USB disks know no links.
    return createInPlace(file);
  } finally {
    rmSync(own, { force: true });
  }
}

function createInPlace(file: string): boolean {
  try {
    const descriptor = openSync(file, 'wx');
    writeSync(descriptor, String(process.pid));
    closeSync(descriptor);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Takes a dead lock away. Of several that find it, one may: whoever is late finds the lock of who was quicker, and must leave that alone. So each
 * first makes a file that only one can make, and looks again.
 */
function removeDead(file: string, dead: number): void {
  const guard = `${file}.after-${dead}`;
  if (!create(guard)) return;
  try {
    if (Object.is(holder(file), dead)) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

function privateName(file: string): string {
  return `${file}.${process.pid}-${attempts++}`;
}

/** The process that holds a lock; NaN when it can't be told. */
function holder(file: string): number {
  try {
    return Number.parseInt(readFileSync(file, 'utf8'), 10);
  } catch {
    return NaN;
  }
}

function isAlive(processId: number): boolean {
  // A lock of our own number that we don't hold is from an earlier life, in a container that was started again.
  if (Number.isNaN(processId) || processId === process.pid) return false;
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
