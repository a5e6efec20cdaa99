import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A disk of its own, of a few kilobytes, that can be filled, enlarged and made read-only. */
export interface SmallDisk {
  readonly folder: string;
  resize(kilobytes: number): void;
  readOnly(on: boolean): void;
  remove(): void;
}

/** A file system in memory, which takes the rights to mount one: undefined where they are missing. */
export function smallDisk(kilobytes: number): SmallDisk | undefined {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-disk-'));
  const mount = (...args: string[]) => execFileSync('mount', args, { stdio: 'ignore' });
  try {
    mount('-t', 'tmpfs', '-o', `size=${kilobytes}k`, 'tmpfs', folder);
  } catch {
    fs.rmdirSync(folder);
    return undefined;
  }
  return {
    folder,
    resize: (size) => mount('-o', `remount,size=${size}k`, folder),
    readOnly: (on) => mount('-o', `remount,${on ? 'ro' : 'rw'}`, folder),
    remove: () => {
      execFileSync('umount', [folder], { stdio: 'ignore' });
      fs.rmdirSync(folder);
    },
  };
}
