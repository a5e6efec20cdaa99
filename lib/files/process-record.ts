import { randomUUID } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import os from 'node:os';

/** A process on any machine, as a lock names its holder. */
export interface ProcessRecord {
  readonly pid: number;
  /** The machine or container, for people. */
  readonly host: string;
  /** Where `pid` means this process: the machine since its last boot, and the container on it. */
  readonly space: string;
  /** Start of the process in clock ticks since boot; absent where the system does not say. */
  readonly started?: string;
}

const ownId = randomUUID();
const ownSpace = processSpace();

/** The record of this process. */
export function thisProcess(): ProcessRecord {
  return {
    pid: process.pid,
    host: os.hostname(),
    space: ownSpace,
    started: processStatus(process.pid)?.started ?? ownId,
  };
}

/** The record of a process of this machine and container of which only the id is known. */
export function localProcess(pid: number): ProcessRecord {
  return { pid, host: os.hostname(), space: ownSpace };
}

/** Whether a process is running; undefined for one of another machine or container, which can't be looked up. */
export function isRunning({ pid, space, started }: ProcessRecord): boolean | undefined {
  if (space !== ownSpace) return undefined;
  // Another process that now has our id is dead. Without a start time, so is one with our id: this container was restarted.
  if (pid === process.pid) return started !== undefined && started === thisProcess().started;
  const status = processStatus(pid);
  // A dead process stays in the table as a zombie until its parent asks for its exit code.
  if (status) return !'ZX'.includes(status.state) && (started === undefined || started === status.started);
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** State and start time of a process from Linux's `/proc/<pid>/stat`; undefined where that can't be read. */
function processStatus(pid: number): { readonly state: string; readonly started: string } | undefined {
  try {
    const line = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field, the program's name in brackets, may contain spaces and brackets.
    const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], started: fields[19] };
  } catch {
    return undefined;
  }
}

/** The boot of the machine and the process namespace on Linux, and the host's name elsewhere. */
function processSpace(): string {
  try {
    const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
    return `${boot} ${readlinkSync('/proc/self/ns/pid')}`;
  } catch {
    return os.hostname();
  }
}
