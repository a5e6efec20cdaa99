// Takes a lock again and again, and reports if another process is inside at the same time; used by two-processes.test.ts.
import { closeSync, linkSync, openSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tryLock } from '../../lib/files/lock.js';

const [lock, inside, rounds] = process.argv.slice(2);
const clock = new Int32Array(new SharedArrayBuffer(4));
let taken = 0;
const end = Date.now() + 60_000;
while (taken < Number(rounds) && Date.now() < end) {
  const unlock = tryLock(lock);
  if (!unlock) continue;
  try {
    closeSync(openSync(inside, 'wx'));
    // Long enough for the others to find the lock in every state.
    Atomics.wait(clock, 0, 0, Math.random());
    rmSync(inside);
  } catch {
    process.stdout.write('x');
  }
  taken++;
  unlock();
  // Every other time, a dead process leaves a lock behind.
  try {
    if (taken % 2) leaveBehind();
  } catch {
    // Another process has it.
  }
}
process.stdout.write(taken ? '.' : '-');

/** Leaves the lock of a dead process of this machine, or an expired one of another machine. */
function leaveBehind(): void {
  if (taken % 4 === 1) return writeFileSync(lock, '999999999', { flag: 'wx' });
  const expired = `${lock}.expired-${process.pid}`;
  writeFileSync(expired, JSON.stringify({ pid: 1, host: 'other', space: 'elsewhere' }));
  utimesSync(expired, 1, 1);
  try {
    linkSync(expired, lock);
  } finally {
    rmSync(expired);
  }
}
