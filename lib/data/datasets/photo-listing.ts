import { readdirSync } from 'node:fs';
import path from 'node:path';

/** How a data set is opened. */
export interface DatasetOptions {
  /** The folder that the photos' names are relative to. Default: that of the list, or one near it, as is usual for the format. */
  readonly photos?: string;
}

/** Tells which photos are there. It lists each folder once: a data set may name a hundred thousand photos. */
export class PhotoListing {
  private readonly folders = new Map<string, ReadonlySet<string>>();

  /** @param file an absolute path. */
  has(file: string): boolean {
    const folder = path.dirname(file);
    let names = this.folders.get(folder);
    if (!names) {
      names = list(folder);
      this.folders.set(folder, names);
    }
    return names.has(path.basename(file));
  }

  /**
   * The first of some folders that has any of the first photos of a list, which may be incomplete.
   * @param names relative to the folder.
   */
  folderWith(candidates: readonly string[], names: readonly string[]): string | undefined {
    const some = names.filter((_, i) => i % Math.ceil(names.length / 1000) === 0);
    return candidates.find((folder) => some.some((name) => this.has(path.resolve(folder, name))));
  }
}

function list(folder: string): ReadonlySet<string> {
  try {
    return new Set(readdirSync(folder));
  } catch {
    return new Set();
  }
}

/** "1,234 of 5,000 photos are not in photos/ (a.jpg, b.jpg, c.jpg, …)" */
export function missingPhotos(missing: readonly string[], all: number, folder: string): string {
  const examples = `${missing.slice(0, 3).join(', ')}${missing.length > 3 ? ', …' : ''}`;
  const count = missing.length.toLocaleString('en');
  return `${count} of ${all.toLocaleString('en')} photos are not in ${folder} (${examples}): they are left out`;
}
