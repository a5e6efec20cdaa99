import path from 'node:path';
import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { checked, readLists } from './caption-json.js';
import type { Manifest, Photo, Problem, Split } from './manifest.js';
import { missingPhotos, PhotoListing, type DatasetOptions } from './photo-listing.js';

const Id = z.union([z.int(), z.string()]);
const Image = z.object({ id: Id, file_name: z.string().min(1) });
const Annotation = z.object({ image_id: Id, caption: z.string() });

/** The split for each list name. COCO publishes no captions of its test photos. */
const splitOf: Record<string, Split> = { train: 'train', val: 'dev', test: 'test' };

/**
 * COCO Captions (Chen et al. 2015, "Microsoft COCO Captions: Data Collection and Evaluation
 * Server"): `captions_train2014.json`, `captions_val2017.json` and similar lists, `{"images":
 * [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}`, in the format of
 * https://cocodataset.org/#format-data. The official train photos are `train`, the official val
 * photos `dev`. Any other list of this format is read the same way; one without annotations gives
 * photos without captions.
 *
 * The photos are searched for in a folder named after the list (`train2014`) or `images`, beside
 * the list or one folder up. A photo's id is `train2014/name.jpg`, wherever the folder is, so
 * features can be used with Karpathy's splits, too.
 *
 * @param files lists that form one data set.
 * @throws CaptionerError `not-found`: there is no such list, or none of its photos is present.
 *   `bad-input`: it is not JSON of this format, or not text in its encoding.
 */
export function openCoco(files: readonly string[], options: DatasetOptions = {}): Manifest {
  const listing = new PhotoListing();
  const photos = new Map<string, Photo>();
  const problems: Problem[] = [];
  let lookedIn = '';
  for (const file of files) {
    const list = readList(file, problems, options.encoding);
    const folders = candidates(file, list.subset, options);
    const folder = listing.folderWith(folders, list.names);
    const problem = (message: string) => problems.push({ source: file, message });
    if (folder === undefined) {
      lookedIn = folders.join(', ');
      problem(`none of its ${list.names.length.toLocaleString('en')} photos was found in ${lookedIn}`);
      continue;
    }
    const missing: string[] = [];
    const uncaptioned: string[] = [];
    for (const { name, captions } of list.images) {
      const id = list.subset ? `${list.subset}/${name}` : name;
      const found = listing.find(path.resolve(folder, name));
      const photo = { id, file: found ?? name, ...(list.split && { split: list.split }), captions };
      if (found === undefined) missing.push(name);
      else if (list.captioned && !captions.length) uncaptioned.push(name);
      else if (photos.has(id)) problem(`${id} is already in another list`);
      else photos.set(id, photo);
    }
    if (missing.length) problem(missingPhotos(missing, list.images.length, folder));
    if (uncaptioned.length)
      problem(
        `${uncaptioned.length} photos have no caption (${uncaptioned.slice(0, 3).join(', ')}): they are left out`,
      );
  }
  if (!photos.size) {
    throw new CaptionerError(
      'not-found',
      lookedIn
        ? `None of the photos of ${files.join(', ')} was found in ${lookedIn}. Name their folder with --photos (option photos).`
        : `${files.join(', ')} lists no usable photo${problems[0] ? ` (${problems[0].message})` : ''}.`,
    );
  }
  return { name: nameOf(files), photos: [...photos.values()], problems };
}

interface CocoList {
  /** `train2014`, the name of the folder of photos; undefined for a list of another name. */
  readonly subset?: string;
  readonly split?: Split;
  readonly captioned: boolean;
  readonly images: readonly { readonly name: string; readonly captions: readonly string[] }[];
  readonly names: readonly string[];
}

function readList(file: string, problems: Problem[], encoding: string | undefined): CocoList {
  const problem = (message: string) => problems.push({ source: file, message });
  const { images, annotations } = readLists(file, ['images'], encoding);
  const byId = new Map<string | number, { name: string; captions: string[] }>();
  for (const { id, file_name: name } of checked(images, 'images', Image, problem)) {
    if (byId.has(id)) problem(`two images have the id ${id}`);
    else byId.set(id, { name, captions: [] });
  }
  const lines = Array.isArray(annotations) ? annotations : [];
  for (const { image_id: id, caption } of checked(lines, 'annotations', Annotation, problem)) {
    const image = byId.get(id);
    const text = caption.trim();
    if (!image) problem(`a caption of the image ${id}, which is not listed`);
    else if (!text) problem(`an empty caption of ${image.name}`);
    else image.captions.push(text);
  }
  const [, subset, kind] = /(?:^|_)((train|val|test)\d{4})/.exec(path.basename(file)) ?? [];
  const list = [...byId.values()];
  return {
    ...(subset && { subset, split: splitOf[kind] }),
    captioned: annotations !== undefined,
    images: list,
    names: list.map(({ name }) => name),
  };
}

/** Folders that may hold the photos of a list. */
function candidates(file: string, subset: string | undefined, { photos }: DatasetOptions): string[] {
  const [beside, above] = [path.dirname(path.resolve(file)), path.dirname(path.dirname(path.resolve(file)))];
  const roots =
    photos === undefined
      ? [beside, above].flatMap((root) => [root, path.join(root, 'images')])
      : [path.resolve(photos)];
  return [...(subset ? roots.map((root) => path.join(root, subset)) : []), ...roots];
}

/** `coco2014` for the official lists. */
function nameOf(files: readonly string[]): string {
  const [first] = files.map((file) => path.basename(file, '.json'));
  const year = /^captions_(?:train|val)(\d{4})$/.exec(first)?.[1];
  return year ? `coco${year}` : first;
}
