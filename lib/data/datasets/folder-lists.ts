import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { splitOf } from './columns.js';
import type { Manifest } from './manifest.js';
import { openCsv, openJsonLines } from './own-data.js';
import type { DatasetOptions } from './photo-listing.js';

/** Names of lists in folders of photos: Hugging Face's, Kaggle's Flickr8k, Flickr30k's. */
const listNames = [
  'metadata.jsonl',
  'metadata.csv',
  'captions.jsonl',
  'captions.csv',
  'captions.tsv',
  'captions.txt',
  'results.csv',
];

/**
 * Opens the data set of a folder that holds photos and a list of them under a usual name:
 * `metadata.csv` or `metadata.jsonl` (Hugging Face's imagefolder, also in folders `train`,
 * `validation` and `test`), `captions.txt` (Kaggle's Flickr8k), `results.csv` (Flickr30k).
 * @returns undefined if there is no such list.
 * @throws CaptionerError as `openCsv` does.
 */
export async function openFolderLists(folder: string, options: DatasetOptions = {}): Promise<Manifest | undefined> {
  const own = listIn(folder);
  if (own !== undefined) return await named(folder, own, options);
  const parts: Manifest[] = [];
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const split = entry.isDirectory() ? splitOf(entry.name) : undefined;
    const list = split && listIn(path.join(folder, entry.name));
    if (!list) continue;
    const { photos, problems } = await openList(list, options);
    parts.push({
      name: '',
      photos: photos.map((photo) => ({ ...photo, id: `${entry.name}/${photo.id}`, split: photo.split ?? split })),
      problems,
    });
  }
  if (!parts.length) return undefined;
  return {
    name: path.basename(path.resolve(folder)),
    photos: parts.flatMap(({ photos }) => photos),
    problems: parts.flatMap(({ problems }) => problems),
  };
}

async function named(folder: string, list: string, options: DatasetOptions): Promise<Manifest> {
  return { ...(await openList(list, options)), name: path.basename(path.resolve(folder)) };
}

const openList = async (list: string, options: DatasetOptions) =>
  list.endsWith('.jsonl') ? openJsonLines(list, options) : await openCsv(list, options);

function listIn(folder: string): string | undefined {
  return listNames.map((name) => path.join(folder, name)).find((file) => existsSync(file));
}
