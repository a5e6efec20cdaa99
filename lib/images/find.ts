import { closeSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../errors.js';
import { formatBytes, isNamedLikePhoto, photoFormat, unreadFormat, unreadFormatOfName } from './format.js';

/**
 * The photos that a person means by files, folders and globs.
 *
 * A file's name is taken as it is, also when there is no such file: decoding it will say so. A folder, with its subfolders, and a
 * glob (`photos/**\/*.jpg`) give the files that are named like photos or begin like one; hidden files are left out. Pictures in formats that are not
 * read (RAW, SVG, PDF, …) are among them: decoding them says what to do, where leaving them out would say nothing.
 *
 * @returns paths in the order of `sources`, each folder's by name, none twice.
 * @throws CaptionerError `not-found` when a folder holds no photo, or a glob matches none.
 */
export async function findPhotos(sources: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const source of sources) {
    const kind = statOf(source);
    const { glob, isDynamicPattern, convertPathToPattern } = await import('tinyglobby');
    if (kind?.isDirectory() || (!kind && isDynamicPattern(source))) {
      const files = await glob(kind ? `${convertPathToPattern(path.resolve(source))}/**` : globPattern(source), {
        absolute: path.isAbsolute(source),
        expandDirectories: false,
      });
      const photos = files
        .map((file) => (path.isAbsolute(source) ? path.normalize(file) : path.relative('', file)))
        .filter(looksLikePhoto)
        .sort((a, b) => byNumbers.compare(a, b) || (a < b ? -1 : 1));
      if (!photos.length) {
        throw new CaptionerError('not-found', kind ? `There is no photo in ${source}.` : `No photo matches ${source}.`);
      }
      for (const photo of photos) found.add(photo);
    } else {
      found.add(source);
    }
  }
  return [...found];
}

/** What is known of a file; nothing where the system can't say, because of a name that is too long, for instance. */
function statOf(source: string): Stats | undefined {
  try {
    return statSync(source, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Two files of a folder compare by number where they hold numbers: 9.jpg comes before 10.jpg. */
const byNumbers = new Intl.Collator('en', { numeric: true });

/** Windows writes paths with backslashes, which escape in a glob. */
function globPattern(source: string): string {
  return path.sep === '\\' ? source.replaceAll('\\', '/') : source;
}

function looksLikePhoto(file: string): boolean {
  if (isNamedLikePhoto(file) || unreadFormatOfName(file)) return true;
  const bytes = beginning(file);
  return photoFormat(bytes) !== undefined || unreadFormat(bytes) !== undefined;
}

function beginning(file: string): Uint8Array {
  const bytes = new Uint8Array(formatBytes);
  try {
    const descriptor = openSync(file, 'r');
    try {
      return bytes.subarray(0, readSync(descriptor, bytes));
    } finally {
      closeSync(descriptor);
    }
  } catch {
    return bytes.subarray(0, 0);
  }
}
