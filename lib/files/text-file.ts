import { readFileSync, writeSync } from 'node:fs';
import { CaptionerError } from '../errors.js';

/**
 * The text of a file that somebody named, UTF-8, without a byte order mark.
 * @param what it is, for the message: `The list`.
 * @throws CaptionerError `not-found`: it is not there, or can't be read.
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
 * What is in a JSON file that somebody named.
 * @param what it is, for the message: `The config file`.
 * @throws CaptionerError `not-found`; `bad-input`: it is no JSON.
 */
export function readJson(file: string, what?: string): unknown {
  const text = readText(file, what);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CaptionerError('bad-input', `${named(file, what)} is no JSON: ${(cause as Error).message}.`, { cause });
  }
}

function named(file: string, what: string | undefined): string {
  return what === undefined ? file : `${what} ${file}`;
}

/**
 * Writes all bytes to an open file from `position` on, in as many calls as the system wants.
 * @throws NodeJS.ErrnoException of the system: see `explainFileError`.
 */
export function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let written = 0; written < bytes.length;) {
    written += writeSync(descriptor, bytes, written, bytes.length - written, position + written);
  }
}
