import { randomUUID } from 'node:crypto';
import { closeSync, fstatSync, linkSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { CaptionerError } from '../errors.js';
import { isRunning, localProcess, thisProcess, type ProcessRecord } from './process-record.js';
import { temporaryName } from './temporary-name.js';

interface LockFile {
  readonly content: string;
  /** The last sign of life, in milliseconds on the clock of the file system. */
  readonly time: number;
}

/** Milliseconds between two signs of life. */
const heartbeat = 5_000;

/** Milliseconds without a sign of life after which a holder that can't be looked up counts as dead. */
const patience = 30_000;

/**
 * Locks a file or folder by a file that names this process. The lock of a process that was killed is
 * taken over. Processes of this machine and container are looked up in the process table; any other
 * is alive as long as it renews its file.
 *
 * @param activity what the lock is for: `writing to photos.jsonl`.
 * @returns a function that releases the lock.
 * @throws CaptionerError `bad-input`: another process holds it.
 */
export function acquireLock(file: string, activity: string): () => void {
  const unlock = tryLock(file);
  if (unlock) return unlock;
  const lock = readLock(file);
  const holder = lock && holderOf(lock);
  const who = holder ? `Another process (${holder.pid} on ${holder.host})` : 'Another process';
  throw new CaptionerError(
    'bad-input',
    `${who} is ${activity}. Wait until it finishes. If it is no longer running, delete ${file}.`,
  );
}

/** Takes a lock like {@link acquireLock}; returns undefined if another process holds it. */
export function tryLock(file: string): (() => void) | undefined {
  const content = JSON.stringify({ ...thisProcess(), id: randomUUID() });
  if (!take(file, content)) return undefined;
  const timer = setInterval(() => renew(file, content), heartbeat).unref();
  return () => {
    clearInterval(timer);
    if (isHeldAs(file, content)) rmSync(file, { force: true });
  };
}

function take(file: string, content: string): boolean {
  for (let attempt = 0; attempt < 3; attempt++) {
    if (create(file, content)) return true;
    const lock = readLock(file);
    if (!lock) continue;
    if (!isAbandoned(file, lock)) return false;
    removeAbandoned(file, lock, content);
  }
  return false;
}

/** Creates the file together with its content, so that no process sees it empty. */
function create(file: string, content: string): boolean {
  const own = temporaryName(file);
  writeFileSync(own, content);
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    // Some network and USB file systems have no hard links.
    return createInPlace(file, content);
  } finally {
    rmSync(own, { force: true });
  }
}

function createInPlace(file: string, content: string): boolean {
  try {
    writeFileSync(file, content, { flag: 'wx' });
    return true;
  } catch (error) {
    if (isCode(error, 'EEXIST')) return false;
    throw error;
  }
}

/**
 * Removes an abandoned lock. If several processes find it, only one may remove it: a late one would
 * find a new lock in its place. So each first takes a second lock, and then looks again.
 */
function removeAbandoned(file: string, { content }: LockFile, own: string): void {
  const guard = `${file}.takeover`;
  if (!take(guard, own)) return;
  try {
    if (isHeldAs(file, content)) rmSync(file, { force: true });
  } finally {
    rmSync(guard, { force: true });
  }
}

/** Whether a lock still has a given content. */
function isHeldAs(file: string, content: string): boolean {
  return readLock(file)?.content === content;
}

/** Writes the same content again, which sets the file's time by the clock that all hosts share. */
function renew(file: string, content: string): void {
  try {
    if (isHeldAs(file, content)) writeFileSync(file, content, { flag: 'r+' });
  } catch {
    // The disk or the network may recover before the next sign of life.
  }
}

function readLock(file: string): LockFile | undefined {
  let descriptor: number;
  try {
    descriptor = openSync(file, 'r');
  } catch (error) {
    if (isCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return { content: readFileSync(descriptor, 'utf8'), time: fstatSync(descriptor).mtimeMs };
  } finally {
    closeSync(descriptor);
  }
}

function isAbandoned(file: string, lock: LockFile): boolean {
  const holder = holderOf(lock);
  // Without hard links, a lock is empty for a moment before its holder is written.
  const running = holder ? isRunning(holder) : undefined;
  return running === undefined ? timeOn(file) - lock.time > patience : !running;
}

/** The process that a lock names. Earlier versions wrote its id alone. */
function holderOf({ content }: LockFile): ProcessRecord | undefined {
  try {
    const holder = JSON.parse(content) as ProcessRecord | number;
    return typeof holder === 'number' ? localProcess(holder) : holder;
  } catch {
    return undefined;
  }
}

/** The time now, on the clock of the file system that contains a file. */
function timeOn(file: string): number {
  const own = temporaryName(file);
  writeFileSync(own, '');
  try {
    return readLock(own)!.time;
  } finally {
    rmSync(own, { force: true });
  }
}

function isCode(error: unknown, code: string): boolean {
  return (error as NodeJS.ErrnoException).code === code;
}
