import { closeSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs';

const held = new Set<string>();

/**
 * Keeps other processes away from a file or folder that this one writes, by a file that holds this process's number.
 * A lock whose process has died, killed perhaps, does not count.
 *
 * @returns what gives it back, or undefined while somebody else holds it.
 */
export function acquireLock(file: string): (() => void) | undefined {
  if (held.has(file)) return undefined;
  for (let attempt = 0; attempt < 3; attempt++) {
    try {
      const descriptor = openSync(file, 'wx');
      writeSync(descriptor, String(process.pid));
      closeSync(descriptor);
      held.add(file);
      return () => {
        held.delete(file);
        rmSync(file, { force: true });
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
      if (isAlive(holder(file))) return undefined;
      rmSync(file, { force: true });
    }
  }
  return undefined;
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
