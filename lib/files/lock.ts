import { closeSync, linkSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';

const held = new Set<string>();
let attempts = 0;

/**
 * Age in milliseconds from which a lock without a process id counts as abandoned. On file systems
 * without hard links its holder takes a moment to write the id.
 */
const writingTime = 10_000;

/**
 * Locks a file or folder that this process writes, by a file that contains the process id. The lock
 * of a dead process does not count.
 *
 * @returns a function that releases the lock, or undefined if another process holds it.
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
    const content = read(file);
    if (content === undefined) continue;
    if (!isAbandoned(file, content)) return undefined;
    removeAbandoned(file, content);
  }
  return undefined;
}

/** Creates the file together with its content, so that no process sees it empty. */
function create(file: string): boolean {
  const own = privateName(file);
  writeFileSync(own, String(process.pid));
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return false;
    // Some network and USB file systems have no hard links.
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
 * Removes an abandoned lock. If several processes find it, only one may remove it: a late one would
 * find a new lock in its place. So each first creates a file that only one of them can create, and
 * then looks again.
 */
function removeAbandoned(file: string, content: string): void {
  const guard = `${file}.after-${Number.parseInt(content, 10)}`;
  if (!create(guard)) return;
  try {
    if (read(file) === content) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

function privateName(file: string): string {
  return `${file}.${process.pid}-${attempts++}`;
}

/** Content of a lock, or undefined if it is gone. */
function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function isAbandoned(file: string, content: string): boolean {
  const holder = Number.parseInt(content, 10);
  if (Number.isNaN(holder)) return ageOf(file) > writingTime;
  // A lock with our own process id that we do not hold is left from before a container restart.
  if (holder === process.pid) return true;
  try {
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** Milliseconds since a file was written, or undefined if it is gone. */
function ageOf(file: string): number {
  const status = statSync(file, { throwIfNoEntry: false });
  return status ? Date.now() - status.mtimeMs : 0;
}
