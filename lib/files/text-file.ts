import { readFileSync, writeSync } from 'node:fs';
import { CaptionerError } from '../errors.js';
import { decodeText } from './text-encoding.js';

/**
 * Reads a text file given by the user, without the byte order mark.
 * @param what kind of file for the message: `The list`.
 * @param encoding of the file; see {@link decodeText}.
 * @throws CaptionerError `not-found`: it is not there, or can't be read. `bad-input`: it is not text in this encoding.
 */
export function readText(file: string, what?: string, encoding?: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new CaptionerError('not-found', `${named(file, what)} can't be read (${(cause as Error).message}).`, {
      cause,
    });
  }
  return decodeText(bytes, named(file, what), encoding);
}

/**
 * Reads a JSON file given by the user.
 * @param what kind of file for the message: `The config file`.
 * @param encoding of the file; see {@link decodeText}.
 * @throws CaptionerError `not-found`; `bad-input` if it is not JSON, or not text in this encoding.
 */
export function readJson(file: string, what?: string, encoding?: string): unknown {
  const text = readText(file, what, encoding);
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CaptionerError('bad-input', `${named(file, what)} is not JSON: ${(cause as Error).message}.`, { cause });
  }
}

/**
 * The content of a file of JSON or JSON lines; JSON lines give a list.
 * @throws CaptionerError as {@link readJson}.
 */
export function readJsonOrLines(file: string, what?: string): unknown {
  const lines = readText(file, what)
    .split(/\r?\n/)
    .filter((line) => line.trim() !== '');
  if (lines.length < 2) return readJson(file, what);
  try {
    return lines.map((line) => JSON.parse(line) as unknown);
  } catch {
    return readJson(file, what);
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
