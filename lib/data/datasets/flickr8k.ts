import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { readText } from '../../files/text-file.js';
import type { Manifest, Photo, Problem, Split } from './manifest.js';
import type { DatasetOptions } from './photo-listing.js';

/** Paths of the parts of a Flickr8k folder. */
interface Flickr8kFiles {
  readonly tokens: string;
  readonly photos: string;
  readonly splits: readonly (readonly [Split, string])[];
}

// Usual folders of the photos; the archives are unpacked side by side or nested. Flicker8k is the authors' spelling.
export const flickr8kPhotoFolders = [
  'images',
  'Images',
  'Flickr8k_Dataset/Flicker8k_Dataset',
  'Flicker8k_Dataset/Flicker8k_Dataset',
  'Flicker8k_Dataset',
  'Flickr8k_Dataset',
];
const textFolders = ['', 'Flickr8k_text', 'text'];
const splitFiles = [
  ['train', 'Flickr_8k.trainImages.txt'],
  ['dev', 'Flickr_8k.devImages.txt'],
  ['test', 'Flickr_8k.testImages.txt'],
] as const;

/** The caption file of the Flickr8k folder `folder`, or undefined if it is not one. */
export function flickr8kTokens(folder: string): string | undefined {
  return textFolders.map((text) => path.join(folder, text, 'Flickr8k.token.txt')).find((file) => existsSync(file));
}

/**
 * Flickr8k (Hodosh, Young and Hockenmaier, "Framing image description as a ranking task", JAIR
 * 2013): `Flickr8k.token.txt` with five captions per photo (`name.jpg#0<tab>caption`), the official
 * split files with one photo per line, and the folder of photos. Photos keep the order of the
 * caption file; a photo in no split file has no split. Lines that cannot be read, and captions or
 * splits of missing photos, are left out and reported by line.
 *
 * @throws CaptionerError `not-found` if the captions or the photos are missing; `bad-input` if a file is not text in its encoding.
 */
export function openFlickr8k(folder: string, options: DatasetOptions = {}): Manifest {
  const files = findFiles(folder, options);
  const problems: Problem[] = [];
  const present = new Set(readdirSync(files.photos));
  const captions = readCaptions(files.tokens, present, problems, options.encoding);
  const split = readSplits(files.splits, captions, problems, options.encoding);
  const photos = [...captions].map(([id, lines]): Photo => ({
    id,
    file: path.join(files.photos, id),
    ...(split.has(id) && { split: split.get(id) }),
    captions: lines,
  }));
  if (!photos.length) {
    throw new CaptionerError('not-found', `None of the captions of ${files.tokens} has its photo in ${files.photos}.`);
  }
  return { name: 'flickr8k', photos, problems };
}

function findFiles(folder: string, options: DatasetOptions): Flickr8kFiles {
  const tokens = flickr8kTokens(folder);
  if (!tokens) throw new CaptionerError('not-found', `There is no Flickr8k.token.txt in ${folder}.`);
  const names = options.photos === undefined ? flickr8kPhotoFolders : [path.resolve(options.photos)];
  const photos = names.map((name) => path.resolve(folder, name)).find((candidate) => existsSync(candidate));
  if (!photos) {
    throw new CaptionerError(
      'not-found',
      `There is no folder of photos in ${folder}: none of ${names.join(', ')} exists. Name it with --photos (option photos).`,
    );
  }
  return {
    tokens,
    photos,
    splits: splitFiles.flatMap(([split, name]) => {
      const file = path.join(path.dirname(tokens), name);
      return existsSync(file) ? [[split, file] as const] : [];
    }),
  };
}

/** Captions by photo, as [photo, captions], for the photos that are present. */
function readCaptions(
  file: string,
  present: ReadonlySet<string>,
  problems: Problem[],
  encoding: string | undefined,
): Map<string, string[]> {
  const captions = new Map<string, string[]>();
  const seen = new Set<string>();
  for (const [line, text] of numberedLines(file, encoding)) {
    const match = /^(?<photo>[^\t]+)#(?<number>\d+)\t(?<caption>.*)$/.exec(text);
    const problem = (message: string) => problems.push({ source: file, line, message });
    if (!match?.groups) {
      problem(`"${shorten(text)}" is not a photo's name, # and a number, a tab and a caption`);
      continue;
    }
    const { photo, number, caption } = match.groups;
    if (!caption.trim()) problem(`the caption of ${photo} is empty`);
    else if (!present.has(photo)) problem(`there is no photo ${photo}`);
    else if (seen.has(`${photo}#${number}`)) problem(`${photo}#${number} already has a caption`);
    else {
      seen.add(`${photo}#${number}`);
      captions.set(photo, [...(captions.get(photo) ?? []), caption.trim()]);
    }
  }
  return captions;
}

function readSplits(
  files: Flickr8kFiles['splits'],
  captions: ReadonlyMap<string, unknown>,
  problems: Problem[],
  encoding: string | undefined,
): Map<string, Split> {
  const splitOf = new Map<string, Split>();
  for (const [split, file] of files) {
    for (const [line, text] of numberedLines(file, encoding)) {
      const photo = text.trim();
      const other = splitOf.get(photo);
      if (!captions.has(photo)) problems.push({ source: file, line, message: `there is no captioned photo ${photo}` });
      else if (other === split) problems.push({ source: file, line, message: `${photo} is named twice` });
      else if (other) problems.push({ source: file, line, message: `${photo} is already in ${other}` });
      else splitOf.set(photo, split);
    }
  }
  return splitOf;
}

/** The lines that are not blank, numbered from 1. */
function numberedLines(file: string, encoding: string | undefined): [number, string][] {
  return readText(file, undefined, encoding)
    .split(/\r?\n/)
    .map((text, i): [number, string] => [i + 1, text])
    .filter(([, text]) => text.trim() !== '');
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text;
}
