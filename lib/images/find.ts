import { closeSync, openSync, readSync, statSync, type Stats } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../errors.js';
import { formatBytes, isNamedLikePhoto, photoFormat, unreadFormat, unreadFormatOfName } from './format.js';

/**
 * The photos that files, folders and globs refer to.
 *
 * A file is taken as named, even if it does not exist: decoding reports that. A folder (with its
 * subfolders) or a glob (`photos/**\/*.jpg`) gives the files that are named like photos or begin
 * like one, without hidden files. Pictures in unsupported formats (RAW, SVG, PDF, …) are included:
 * decoding tells the user what to do about them, which silently skipping them would not.
 *
 * @returns paths in the order of `sources`, those of each folder by name, without duplicates.
 * @throws CaptionerError `not-found` if a folder holds no photo, or a glob matches none.
 */
export async function findPhotos(sources: readonly string[]): Promise<string[]> {
  const found = new Set<string>();
  for (const source of sources) {
    const kind = statOf(source);
    if (kind && !kind.isDirectory()) {
      found.add(source);
      continue;
    }
    const { glob, isDynamicPattern, convertPathToPattern } = await import('tinyglobby');
    if (kind || isDynamicPattern(source)) {
      const files = await glob(kind ? `${convertPathToPattern(path.resolve(source))}/**` : globPattern(source), {
        absolute: path.isAbsolute(source),
        expandDirectories: false,
      });
      const photos = files
        .map((file) => (path.isAbsolute(source) ? path.normalize(file) : path.relative('', file)))
        .filter(looksLikePhoto);
      // Numbers in names count by value: 9.jpg comes before 10.jpg.
      const byNumbers = new Intl.Collator('en', { numeric: true });
      photos.sort((a, b) => byNumbers.compare(a, b) || (a < b ? -1 : 1));
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

/**
 * The stats of a file; undefined if the system cannot provide them, for instance because its name
 * is too long.
 */
function statOf(source: string): Stats | undefined {
  try {
    return statSync(source, { throwIfNoEntry: false });
  } catch {
    return undefined;
  }
}

/** Replaces the backslashes of Windows paths, which are escapes in a glob. */
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
