import { readdirSync } from 'node:fs';
import path from 'node:path';

/** Options for opening a data set. */
export interface DatasetOptions {
  /**
   * The folder that the photos' names are relative to. Default: that of the list or a usual place
   * near it, depending on the format.
   */
  readonly photos?: string;
  /** Encoding of the list, `windows-1252` for instance. Default: UTF-8. */
  readonly encoding?: string;
}

/**
 * Checks which photos are present. It lists each folder only once, as a data set may name a hundred
 * thousand photos.
 *
 * Names are compared in Unicode's composed form (NFC): archives made on macOS have decomposed
 * names, lists mostly do not.
 */
export class PhotoListing {
  /** Names on disk by their composed form, for each folder. */
  private readonly folders = new Map<string, ReadonlyMap<string, string>>();

  /** Whether a file is present. @param file an absolute path. */
  has(file: string): boolean {
    return this.find(file) !== undefined;
  }

  /**
   * The path of a file as spelled on disk, or undefined if there is none.
   * @param file an absolute path.
   */
  find(file: string): string | undefined {
    const folder = path.dirname(file);
    const name = path.basename(file);
    if (this.namesIn(folder).size > 0) {
      const found = this.namesIn(folder).get(name.normalize('NFC'));
      return found === undefined ? undefined : path.join(folder, found);
    }
    // The name of the folder itself may be decomposed.
    if (folder === path.dirname(folder)) return undefined;
    const there = this.find(folder);
    return there === undefined || there === folder ? undefined : this.find(path.join(there, name));
  }

  /**
   * The first folder that has any of the first photos of a list, which may be incomplete.
   * @param names relative to the folder.
   */
  folderWith(candidates: readonly string[], names: readonly string[]): string | undefined {
    const some = names.filter((_, i) => i % Math.ceil(names.length / 1000) === 0);
    return candidates.find((folder) => some.some((name) => this.has(path.resolve(folder, name))));
  }

  private namesIn(folder: string): ReadonlyMap<string, string> {
    let names = this.folders.get(folder);
    if (!names) {
      names = new Map(list(folder).map((name) => [name.normalize('NFC'), name]));
      this.folders.set(folder, names);
    }
    return names;
  }
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** "1,234 of 5,000 photos are not in photos/ (a.jpg, b.jpg, c.jpg, …)" */
export function missingPhotos(missing: readonly string[], all: number, folder: string): string {
  const examples = `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}`;
  const count = missing.length.toLocaleString('en');
  return `${count} of ${all.toLocaleString('en')} photos are not in ${folder} (${examples}): they are left out`;
}
