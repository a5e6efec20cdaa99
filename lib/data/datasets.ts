import { statSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../errors.js';
import { findPhotos } from '../images/find.js';
import { flickr8kTokens, openFlickr8k } from './flickr8k.js';
import type { Manifest } from './manifest.js';
import { openCsv, openJsonLines, type OwnDataOptions } from './own-data.js';

export type DatasetOptions = OwnDataOptions;

/** Data sets that are known by name where they lie in a usual place. */
const knownNames = ['flickr8k'];

/**
 * Opens a data set, whatever it is: a Flickr8k folder, or its name where it lies in `data/` or in the mirror; a CSV file or JSON lines of one's
 * own; or a folder of photos without captions.
 *
 * A photo may be in no split. `splitPhotos` makes splits for a data set that has none.
 *
 * @throws CaptionerError `not-found`: there is nothing of that name, or no photo in it. `bad-input`: it is no data set.
 */
export async function openDataset(pathOrName: string, options: DatasetOptions = {}): Promise<Manifest> {
  const place = resolveName(pathOrName);
  const found = statSync(place, { throwIfNoEntry: false });
  if (!found) {
    const names = knownNames.includes(pathOrName) ? ` It was looked for in ${usualPlaces(pathOrName).join(', ')}.` : '';
    throw new CaptionerError('not-found', `There is no data set ${pathOrName}.${names}`);
  }
  if (found.isDirectory()) return flickr8kTokens(place) ? openFlickr8k(place) : await openFolder(place);
  switch (path.extname(place).toLowerCase()) {
    case '.csv':
      return await openCsv(place, options);
    case '.jsonl':
    case '.ndjson':
      return openJsonLines(place, options);
    default:
      throw new CaptionerError(
        'bad-input',
        `${place} is no data set: a folder, a .csv file with the header file,caption or a .jsonl file of {"file", "caption"} is needed.`,
      );
  }
}

/** Photos without captions. */
async function openFolder(folder: string): Promise<Manifest> {
  const files = await findPhotos([path.resolve(folder)]);
  return {
    name: path.basename(path.resolve(folder)),
    photos: files.map((file) => ({
      id: path.relative(path.resolve(folder), file).split(path.sep).join('/'),
      file,
      captions: [],
    })),
    problems: [],
  };
}

function resolveName(pathOrName: string): string {
  if (!knownNames.includes(pathOrName)) return pathOrName;
  return usualPlaces(pathOrName).find((place) => statSync(place, { throwIfNoEntry: false })) ?? pathOrName;
}

function usualPlaces(name: string): string[] {
  const mirror = process.env.CAPTIONER_MIRROR;
  const inMirror = mirror && !/^https?:/i.test(mirror) ? [path.join(mirror, 'data', name)] : [];
  return [path.resolve(name), path.resolve('data', name), ...inMirror];
}
