import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { CaptionerError, explainFileError } from '../errors.js';

/** Files by name: text, bytes, or chunks of bytes. */
export type Files = Readonly<Record<string, string | Uint8Array | readonly Uint8Array[]>>;

/**
 * Replaces a folder with one that contains `files`, all or nothing. The files are written to a folder
 * beside it and flushed to disk; then the two folders swap names. If the process is killed in
 * between, {@link completeFolder} finds the old folder or the new one.
 * @throws CaptionerError `bad-input` if it can't be written, for example because the disk is full.
 * The old folder stays as it was.
 */
export function replaceFolder(folder: string, files: Files): void {
  try {
    replace(folder, files);
  } catch (error) {
    rmSync(beside(folder).coming, { recursive: true, force: true });
    throw explainFileError(error, folder);
  }
}

function replace(folder: string, files: Files): void {
  const { coming, former } = beside(folder);
  if (!existsSync(folder) && existsSync(former)) renameSync(former, folder); // after a kill between the two renames below
  rmSync(coming, { recursive: true, force: true });
  mkdirSync(coming, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const bytes = typeof content === 'string' ? Buffer.from(content) : content;
    writeFlushed(path.join(coming, name), bytes instanceof Uint8Array ? [bytes] : bytes);
  }
  flushFolder(coming);
  rmSync(former, { recursive: true, force: true });
  if (existsSync(folder)) renameSync(folder, former);
  renameSync(coming, folder);
  flushFolder(path.dirname(path.resolve(folder)));
  rmSync(former, { recursive: true, force: true });
}

/**
 * The path of the last complete version of a folder that {@link replaceFolder} wrote, or undefined.
 */
export function completeFolder(folder: string): string | undefined {
  return [folder, beside(folder).former].find((candidate) => existsSync(candidate));
}

/**
 * Reads a file of a folder.
 * @throws CaptionerError `not-found` with `remedy`.
 */
export function readFolderFile(folder: string, name: string, remedy: string): Buffer {
  const file = path.join(completeFolder(folder) ?? folder, name);
  try {
    return readFileSync(file);
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const what = code === 'ENOENT' ? `There is no ${file}` : `${file} can't be read (${message})`;
    throw new CaptionerError('not-found', `${what}. ${remedy}`, { cause });
  }
}

/**
 * Reads a JSON file of a folder.
 * @throws CaptionerError `not-found` with `remedy`; `corrupt` if it is not JSON.
 */
export function readFolderJson(folder: string, name: string, remedy: string): unknown {
  const text = readFolderFile(folder, name, remedy).toString('utf8');
  try {
    return JSON.parse(text);
  } catch (cause) {
    const { message } = cause as Error;
    throw new CaptionerError('corrupt', `${path.join(folder, name)} is damaged: it is not JSON (${message}).`, {
      cause,
    });
  }
}

/** Writes a text file under a temporary name and renames it, so that readers see it whole or unchanged. */
export function replaceFile(file: string, text: string): void {
  writeFileSync(`${file}.part`, text, { flush: true });
  renameSync(`${file}.part`, file);
}

function beside(folder: string): { coming: string; former: string } {
  const resolved = path.resolve(folder);
  return { coming: `${resolved}.new`, former: `${resolved}.old` };
}

/** Writes a file and flushes it to disk. */
function writeFlushed(file: string, parts: readonly Uint8Array[]): void {
  const descriptor = openSync(file, 'w');
  try {
    for (const part of parts) {
      for (let at = 0; at < part.length;) at += writeSync(descriptor, part, at);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** Flushes a folder, so that new names in it survive a power failure. Windows has no such call. */
function flushFolder(folder: string): void {
  if (process.platform === 'win32') return;
  const descriptor = openSync(folder, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}
