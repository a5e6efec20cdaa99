// Takes a lock over and over, and says whenever somebody else was inside at the same time; used by two-processes.test.ts.
import { closeSync, openSync, rmSync, writeFileSync } from 'node:fs';
import { acquireLock } from '../../lib/files/lock.js';

const [lock, inside, rounds] = process.argv.slice(2);
const clock = new Int32Array(new SharedArrayBuffer(4));
let taken = 0;
const end = Date.now() + 60_000;
while (taken < Number(rounds) && Date.now() < end) {
  const unlock = acquireLock(lock);
  if (!unlock) continue;
  try {
    closeSync(openSync(inside, 'wx'));
    // Long enough for the others to come upon the lock in every state.
    Atomics.wait(clock, 0, 0, Math.random());
    rmSync(inside);
  } catch {
    process.stdout.write('x');
  }
  taken++;
  unlock();
  // Every other time a lock is left behind of a process that is no more.
  try {
    if (taken % 2) writeFileSync(lock, '999999999', { flag: 'wx' });
  } catch {
    // Somebody else has it.
  }
}
process.stdout.write(taken ? '.' : '-');
