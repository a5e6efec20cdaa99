import { closeSync, existsSync, fstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { decodePart, decodeText } from '../../files/text-encoding.js';

/**
 * The supported kinds of JSON data sets: the format of COCO captions, and that of Karpathy's
 * splits.
 */
export type CaptionJson = 'coco' | 'karpathy';

/** Bytes at the beginning and the end of a file that identify its kind. */
const sniffed = 2 ** 16;

/** Maximum length of a string in V8. UTF-8 has at most as many characters as bytes. */
const longestText = 2 ** 29 - 25;

/**
 * The kind of a JSON file, by the names at its beginning and end: a whole file may have hundreds of
 * megabytes.
 * @param encoding of the file; see `decodeText`.
 * @returns undefined for any other file.
 */
export function captionJsonKind(file: string, encoding?: string): CaptionJson | undefined {
  const text = decodePart(ends(file), encoding);
  if (!/^\uFEFF?\s*\{/.test(text)) return undefined;
  if (text.includes('"sentences"') && text.includes('"filename"')) return 'karpathy';
  // Lists for object detection look alike but have no captions. Nor do lists of test photos, or a list that was cut short.
  const named = /^(captions|image_info)_/.test(path.basename(file));
  if (text.includes('"file_name"') && (text.includes('"caption"') || named)) return 'coco';
  return undefined;
}

/** The caption files of each kind in a folder, or in its folder `annotations`; sorted by name. */
export function captionJsonFiles(folder: string, encoding?: string): Record<CaptionJson, string[]> {
  const found: Record<CaptionJson, string[]> = { coco: [], karpathy: [] };
  for (const place of [folder, path.join(folder, 'annotations')]) {
    if (!existsSync(place) || !statSync(place).isDirectory()) continue;
    for (const name of readdirSync(place).sort()) {
      if (!name.endsWith('.json')) continue;
      const kind = captionJsonKind(path.join(place, name), encoding);
      if (kind) found[kind].push(path.join(place, name));
    }
  }
  return found;
}

/**
 * Reads a JSON file whose root has the given lists.
 * @param encoding of the file; see `decodeText`.
 * @throws CaptionerError `not-found`; `bad-input`: it is not JSON, lacks a list, or is not text in its encoding.
 */
export function readLists<K extends string>(
  file: string,
  required: readonly K[],
  encoding?: string,
): Record<string, unknown> & Record<K, unknown[]> {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    throw new CaptionerError('not-found', `${file} can't be read (${(cause as Error).message}).`, { cause });
  }
  if (bytes.length > longestText) {
    throw new CaptionerError(
      'bad-input',
      `${file} has ${bytes.length} bytes, but a list of captions may have at most ${longestText}. Split it.`,
    );
  }
  let root: unknown;
  try {
    root = JSON.parse(decodeText(bytes, file, encoding));
  } catch (cause) {
    if (cause instanceof CaptionerError) throw cause;
    const reason = (cause as Error).message;
    throw new CaptionerError(
      'bad-input',
      `${file} is not a complete JSON file (${reason.length > 120 ? `${reason.slice(0, 120)}…` : reason}). It may be truncated. Download it again.`,
      { cause },
    );
  }
  const lists = root as Record<K, unknown[]> | null;
  const missing = required.find((name) => !Array.isArray(lists?.[name]));
  if (missing) throw new CaptionerError('bad-input', `${file} has no list "${missing}".`);
  return lists as Record<string, unknown> & Record<K, unknown[]>;
}

/**
 * Checks each item of a list. Items that do not fit are reported by position and left out.
 * @param problem receives a message for each.
 */
export function* checked<T>(
  items: readonly unknown[],
  name: string,
  schema: z.ZodType<T>,
  problem: (message: string) => void,
): Generator<T> {
  for (const [i, item] of items.entries()) {
    const result = schema.safeParse(item);
    if (result.success) yield result.data;
    else {
      const [{ path: where, message }] = result.error.issues;
      problem(`${name}[${i}]${where.length ? `.${where.join('.')}` : ''}: ${message}`);
    }
  }
}

/** The first and the last bytes of a file. */
function ends(file: string): Buffer {
  const descriptor = openSync(file, 'r');
  try {
    const { size } = fstatSync(descriptor);
    const bytes = Buffer.alloc(Math.min(size, 2 * sniffed));
    const head = readSync(descriptor, bytes, 0, Math.min(size, sniffed), 0);
    const rest = bytes.length - head;
    const tail = rest > 0 ? readSync(descriptor, bytes, head, rest, size - rest) : 0;
    return bytes.subarray(0, head + tail);
  } finally {
    closeSync(descriptor);
  }
}
