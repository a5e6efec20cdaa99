import { closeSync, linkSync, openSync, readFileSync, rmSync, statSync, writeFileSync, writeSync } from 'node:fs';

const held = new Set<string>();
let attempts = 0;

/** How old a lock without a number in it must be to count as abandoned, in milliseconds: where no links can be made its holder takes a moment to write it. */
const writingTime = 10_000;

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
    const content = read(file);
    if (content === undefined) continue;
    if (!isAbandoned(file, content)) return undefined;
    removeAbandoned(file, content);
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
 * Takes an abandoned lock away. Of several that find it, one may: whoever is late finds the lock of who was quicker, or
 * none, and must leave alone what comes there next. So each first makes a file that only one can make, and looks again.
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

/** What is in a lock; undefined when there is none any more. */
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
  // A lock of our own number that we don't hold is from an earlier life, in a container that was started again.
  if (holder === process.pid) return true;
  try {
    process.kill(holder, 0);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'EPERM';
  }
}

/** Milliseconds since a file was written; none when it is gone. */
function ageOf(file: string): number {
  const status = statSync(file, { throwIfNoEntry: false });
  return status ? Date.now() - status.mtimeMs : 0;
}
