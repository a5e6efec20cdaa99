import path from 'node:path';
import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { checked, readLists } from './caption-json.js';
import { flickr8kPhotoFolders } from './flickr8k.js';
import type { Manifest, Photo, Problem, Split } from './manifest.js';
import { missingPhotos, PhotoListing, type DatasetOptions } from './photo-listing.js';

const Image = z.object({
  filepath: z.string().optional(),
  filename: z.string().min(1),
  split: z.string().optional(),
  sentences: z.array(z.object({ raw: z.string().optional(), tokens: z.array(z.string()).optional() })),
});

/**
 * Splits by their names in the list. `restval` are photos of COCO's val outside dev and test;
 * nearly all published results train on them, too.
 */
const splitOf: Record<string, Split> = { train: 'train', restval: 'train', val: 'dev', test: 'test' };

/**
 * The splits of Karpathy and Fei-Fei (CVPR 2015), on which most captioners since are compared:
 * `dataset_coco.json`, `dataset_flickr8k.json` and `dataset_flickr30k.json`, `{"dataset", "images":
 * [{"filepath", "filename", "split", "sentences": [{"raw"}]}]}`, from
 * https://cs.stanford.edu/people/karpathy/deepimagesent/. Their `val` is our `dev`. `restval`,
 * 30,504 photos of COCO's val, counts as `train`, as is customary.
 *
 * The photos are searched for beside the list, in `images`, in the folders of the Flickr8k and
 * Flickr30k archives, and one folder up. A photo's id is `val2014/name.jpg` for COCO and its name
 * for the others, as with their own lists.
 *
 * @throws CaptionerError `not-found`: there is no such list, or none of its photos is present.
 *   `bad-input`: it is not JSON of this format, or not text in its encoding.
 */
export function openKarpathy(file: string, options: DatasetOptions = {}): Manifest {
  const problems: Problem[] = [];
  const problem = (message: string) => problems.push({ source: file, message });
  const { images, dataset } = readLists(file, ['images'], options.encoding);
  const photos = new Map<string, Omit<Photo, 'file'>>();
  for (const { filepath, filename, split, sentences } of checked(images, 'images', Image, problem)) {
    const id = filepath ? `${filepath}/${filename}` : filename;
    const captions = sentences
      .map(({ raw, tokens }) => (raw ?? tokens?.join(' ') ?? '').trim())
      .filter((caption) => caption);
    if (captions.length < sentences.length) problem(`${sentences.length - captions.length} empty captions of ${id}`);
    if (photos.has(id)) problem(`${id} is listed twice`);
    else if (split !== undefined && !Object.hasOwn(splitOf, split)) {
      problem(`the split '${split}' of ${id} is not one of ${Object.keys(splitOf).join(', ')}`);
    } else if (!captions.length) problem(`${id} has no caption`);
    else photos.set(id, { id, ...(split !== undefined && { split: splitOf[split] }), captions });
  }
  const found = findPhotos(file, [...photos.keys()], options, problem);
  const name = typeof dataset === 'string' && dataset ? dataset : path.basename(file, '.json').replace(/^dataset_/, '');
  return {
    name: `${name}-karpathy`,
    photos: [...photos.values()].flatMap((photo) => {
      const at = found.get(photo.id);
      return at === undefined ? [] : [{ ...photo, file: at }];
    }),
    problems,
  };
}

/** The file of each photo that is present. */
function findPhotos(
  file: string,
  ids: readonly string[],
  { photos }: DatasetOptions,
  problem: (message: string) => void,
): Map<string, string> {
  const [beside, above] = [path.dirname(path.resolve(file)), path.dirname(path.dirname(path.resolve(file)))];
  const folders =
    photos === undefined
      ? [beside, above].flatMap((root) => [
          root,
          ...[...flickr8kPhotoFolders, ...flickr30kPhotoFolders].map((name) => path.join(root, name)),
        ])
      : [path.resolve(photos)];
  const listing = new PhotoListing();
  // All photos of COCO may also be in one folder: their names are unique.
  for (const nameOf of [(id: string) => id, (id: string) => path.posix.basename(id)]) {
    const folder = listing.folderWith(folders, ids.map(nameOf));
    if (folder === undefined) continue;
    const there = new Map<string, string>();
    for (const id of ids) {
      const found = listing.find(path.resolve(folder, nameOf(id)));
      if (found !== undefined) there.set(id, found);
    }
    const missing = ids.filter((id) => !there.has(id));
    if (missing.length) problem(missingPhotos(missing, ids.length, folder));
    return there;
  }
  throw new CaptionerError(
    'not-found',
    ids.length
      ? `None of the ${ids.length.toLocaleString('en')} photos of ${file} was found in ${folders.join(', ')}. Name their folder with --photos (option photos).`
      : `${file} lists no usable photo.`,
  );
}

const flickr30kPhotoFolders = ['flickr30k-images', 'flickr30k_images'];
