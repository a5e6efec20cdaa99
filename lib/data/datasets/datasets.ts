import { statSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { findPhotos } from '../../images/find.js';
import { captionJsonFiles, captionJsonKind } from './caption-json.js';
import { openCoco } from './coco.js';
import { flickr8kTokens, openFlickr8k } from './flickr8k.js';
import { openKarpathy } from './karpathy.js';
import type { Manifest } from './manifest.js';
import { mirrorFolder } from '../../files/mirror.js';
import { openFolderLists } from './folder-lists.js';
import { isJsonList, openCsv, openJsonLines, openJsonList } from './own-data.js';
import { readJson } from '../../files/text-file.js';
import type { DatasetOptions } from './photo-listing.js';

export type { DatasetOptions };

/**
 * Data sets known by name in their usual places. COCO's photos of 2014 have two common splits: the
 * official one, and Karpathy's, on which most papers report.
 */
const knownNames: Record<string, string> = {
  flickr8k: 'flickr8k',
  coco: 'coco2014/dataset_coco.json',
  coco2014: 'coco2014/annotations',
  coco2017: 'coco2017/annotations',
};

/**
 * Opens a data set of any supported kind:
 *
 * - a folder of Flickr8k, of COCO captions or of Karpathy's splits, or one of their lists;
 * - one of the names flickr8k, coco, coco2014 and coco2017, found in `data/` or in the mirror;
 * - your own list (CSV, JSON lines, JSON), or a folder with one;
 * - a folder of photos without captions.
 *
 * A photo may be in no split. `splitPhotos` splits a data set that has none.
 *
 * @throws CaptionerError `not-found`: there is nothing of that name, or no photo in it.
 *   `bad-input`: it is not a data set.
 */
export async function openDataset(pathOrName: string, options: DatasetOptions = {}): Promise<Manifest> {
  const place = resolveName(pathOrName);
  const found = statSync(place, { throwIfNoEntry: false });
  if (!found) {
    const hint = Object.hasOwn(knownNames, pathOrName)
      ? ` Searched in ${usualPlaces(pathOrName).join(', ')}. Run captioner download ${pathOrName} to fetch it.`
      : '';
    throw new CaptionerError('not-found', `There is no data set ${pathOrName}.${hint}`);
  }
  if (found.isDirectory()) return await openFolder(place, options);
  switch (path.extname(place).toLowerCase()) {
    case '.csv':
    case '.tsv':
    case '.txt':
      return await openCsv(place, options);
    case '.jsonl':
    case '.ndjson':
      return openJsonLines(place, options);
    case '.json':
      return openJson(place, options);
    default:
      throw new CaptionerError('bad-input', `${place} is not a data set. Give ${formats}.`);
  }
}

const formats =
  'a folder, a .csv, .tsv or .txt file with the header file,caption, a .jsonl file of {"file", "caption"}, or a .json file of such objects, of COCO captions or of Karpathy’s splits';

function openJson(file: string, options: DatasetOptions): Manifest {
  switch (captionJsonKind(file, options.encoding)) {
    case 'coco':
      return openCoco([file], options);
    case 'karpathy':
      return openKarpathy(file, options);
    default: {
      const json = readJson(file, undefined, options.encoding);
      if (isJsonList(json)) return openJsonList(file, json, options);
      throw new CaptionerError(
        'bad-input',
        `${file} holds neither photos with captions ([{"image", "caption"}]) nor COCO captions ({"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}) nor Karpathy's ` +
          'splits ({"images": [{"filename", "split", "sentences"}]}).',
      );
    }
  }
}

async function openFolder(folder: string, options: DatasetOptions): Promise<Manifest> {
  if (flickr8kTokens(folder)) return openFlickr8k(folder, options);
  const { karpathy, coco } = captionJsonFiles(folder, options.encoding);
  if (karpathy.length > 1) {
    throw new CaptionerError('bad-input', `${folder} holds several data sets. Choose one of ${karpathy.join(', ')}.`);
  }
  if (karpathy.length) return openKarpathy(karpathy[0], options);
  // Lists of test photos have the same format, without captions.
  const captioned = coco.filter((file) => !path.basename(file).startsWith('image_info'));
  if (captioned.length) return openCoco(captioned, options);
  const listed = await openFolderLists(folder, options);
  if (listed) return listed;
  if (options.photos === undefined) return await openPhotos(folder);
  throw new CaptionerError(
    'bad-option',
    `${folder} has no list of captions for the photos in ${options.photos}. Give a list.`,
  );
}

/** Photos without captions. */
async function openPhotos(folder: string): Promise<Manifest> {
  const files = await findPhotos([path.resolve(folder)]);
  return {
    name: path.basename(path.resolve(folder)),
    photos: files.map((file) => ({
      id: path.relative(path.resolve(folder), file).split(path.sep).join('/').normalize('NFC'),
      file,
      captions: [],
    })),
    problems: [],
  };
}

function resolveName(pathOrName: string): string {
  if (!Object.hasOwn(knownNames, pathOrName)) return pathOrName;
  return usualPlaces(pathOrName).find((place) => statSync(place, { throwIfNoEntry: false })) ?? pathOrName;
}

function usualPlaces(name: string): string[] {
  const mirror = mirrorFolder();
  const inMirror = mirror === undefined ? [] : [path.join(mirror, 'data', knownNames[name])];
  return [path.resolve(name), path.resolve('data', knownNames[name]), ...inMirror];
}
