import { readFileSync, writeSync } from 'node:fs';
import { CaptionerError } from '../errors.js';

/**
 * Reads a text file given by the user: UTF-8, without the byte order mark.
 * @param what kind of file for the message: `The list`.
 * @throws CaptionerError `not-found` if it is missing or can't be read.
 */
export function readText(file: string, what?: string): string {
  try {
    return readFileSync(file, 'utf8').replace(/^\uFEFF/, '');
  } catch (cause) {
    throw new CaptionerError('not-found', `${named(file, what)} can't be read (${(cause as Error).message}).`, {
      cause,
    });
  }
}

/**
 * Reads a JSON file given by the user.
 * @param what kind of file for the message: `The config file`.
 * @throws CaptionerError `not-found`; `bad-input` if it is not JSON.
 */
export function readJson(file: string, what?: string): unknown {
  const text = readText(file, what);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CaptionerError('bad-input', `${named(file, what)} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

function named(file: string, what: string | undefined): string {
  return what === undefined ? file : `${what} ${file}`;
}

/**
 * Writes all bytes to an open file from `position` on, in as many calls as the system needs.
 * @throws NodeJS.ErrnoException from the system: see `explainFileError`.
 */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
  }
}
