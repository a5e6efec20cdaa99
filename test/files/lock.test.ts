import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { acquireLock, tryLock } from '../../lib/files/lock.js';

const holder = fileURLToPath(new URL('lock-holder.ts', import.meta.url));

describe('lock', function () {
  this.timeout(60_000).slow(10_000);
  let folder: string;
  let lock: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    lock = path.join(folder, 'lock');
  });
  afterEach(() => fs.rmSync(folder, { recursive: true }));

  /** The record that a holder writes, with changes. */
  function writeRecord(changes: object, secondsAgo = 0): void {
    const unlock = acquireLock(lock, 'testing');
    const record = JSON.parse(fs.readFileSync(lock, 'utf8')) as object;
    unlock();
    fs.writeFileSync(lock, JSON.stringify({ ...record, ...changes }));
    const time = Date.now() / 1000 - secondsAgo;
    fs.utimesSync(lock, time, time);
  }

  async function untilHeld(starter: ChildProcess): Promise<number> {
    while (!fs.existsSync(lock)) {
      expect(starter.exitCode, 'exit code of the holder').to.equal(null);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return (JSON.parse(fs.readFileSync(lock, 'utf8')) as { pid: number }).pid;
  }

  it('is held until it is released, and leaves no file', () => {
    const unlock = acquireLock(lock, 'testing');
    expect(tryLock(lock)).to.equal(undefined);
    unlock();
    tryLock(lock)!();
    expect(fs.readdirSync(folder)).to.deep.equal([]);
  });

  it('is refused while another process is running, with its id, its host and the file', async () => {
    const other = spawn(process.execPath, ['--import', 'tsx', holder, lock], { stdio: 'inherit' });
    try {
      const pid = await untilHeld(other);
      // A process of this machine is looked up, however old its last sign of life is.
      fs.utimesSync(lock, 0, 0);
      expect(() => acquireLock(lock, 'writing to photos.jsonl'))
        .to.throw(CaptionerError)
        .with.property('message')
        .that.contains(`Another process (${pid} on ${os.hostname()}) is writing to photos.jsonl.`)
        .and.contains(`delete ${lock}`);
    } finally {
      other.kill('SIGKILL');
      await once(other, 'exit');
    }
    acquireLock(lock, 'testing')();
  });

  it('of a killed process is free at once, although its parent never asks for the exit code', async function () {
    if (process.platform !== 'linux') return this.skip();
    // The shell becomes a program that waits for nobody, so its child stays a zombie.
    const parent = spawn('sh', ['-c', '"$@" & exec sleep 60', 'sh', process.execPath, '--import', 'tsx', holder, lock]);
    try {
      const pid = await untilHeld(parent);
      expect(tryLock(lock)).to.equal(undefined);
      process.kill(pid, 'SIGKILL');
      while (!/^\d+ \(.*\) Z/.test(fs.readFileSync(`/proc/${pid}/stat`, 'utf8'))) {
        await new Promise((resolve) => setTimeout(resolve, 1));
      }
      expect(process.kill(pid, 0), 'the zombie is in the process table').to.equal(true);
      acquireLock(lock, 'testing')();
    } finally {
      parent.kill('SIGKILL');
    }
  });

  it('of a process whose id now belongs to another is free', function () {
    if (process.platform !== 'linux') return this.skip();
    for (const pid of [process.pid, process.ppid]) {
      writeRecord({ pid, started: '1' });
      acquireLock(lock, 'testing')();
    }
  });

  it('of another container or machine is held while it gives signs of life, even with our process id', () => {
    writeRecord({ space: 'elsewhere', host: 'web-2' });
    expect(() => acquireLock(lock, 'testing')).to.throw(`Another process (${process.pid} on web-2) is testing.`);
    expect(fs.readdirSync(folder)).to.deep.equal(['lock']);
  });

  it('of another container or machine is free after a minute without a sign of life', () => {
    writeRecord({ space: 'elsewhere' }, 60);
    const unlock = acquireLock(lock, 'testing');
    expect(fs.readFileSync(lock, 'utf8')).not.to.contain('elsewhere');
    unlock();
    expect(fs.readdirSync(folder)).to.deep.equal([]);
  });

  it('is renewed by its holder', async () => {
    const unlock = acquireLock(lock, 'testing');
    fs.utimesSync(lock, 0, 0);
    while (fs.statSync(lock).mtimeMs === 0) await new Promise((resolve) => setTimeout(resolve, 50));
    unlock();
  });

  it('is not released by its former holder after another process took it over', () => {
    const unlock = acquireLock(lock, 'testing');
    fs.writeFileSync(lock, JSON.stringify({ pid: 1, host: 'web-2', space: 'elsewhere' }));
    unlock();
    expect(fs.readFileSync(lock, 'utf8')).to.contain('web-2');
  });

  it('of an earlier version is a process id alone', () => {
    fs.writeFileSync(lock, String(process.ppid));
    expect(tryLock(lock)).to.equal(undefined);
    for (const dead of [999_999_999, process.pid]) {
      fs.writeFileSync(lock, String(dead));
      acquireLock(lock, 'testing')();
    }
  });

  it('is taken over even if another process was killed while doing so', () => {
    fs.writeFileSync(lock, '999999999');
    fs.writeFileSync(`${lock}.takeover`, '999999998');
    acquireLock(lock, 'testing')();
    expect(fs.readdirSync(folder)).to.deep.equal([]);
  });
});
