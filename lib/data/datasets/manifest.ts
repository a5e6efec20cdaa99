import { Random } from '../../random.js';

/** The purpose of a photo: training, choosing hyperparameters, or the final score. */
export type Split = 'train' | 'dev' | 'test';

/** The splits, in the order in which they are listed. */
export const splits: readonly Split[] = ['train', 'dev', 'test'];

/** A photo of a data set. */
export interface Photo {
  /** Unique in the data set: the file's name relative to the folder of photos, with forward slashes. */
  readonly id: string;
  /** Absolute path. */
  readonly file: string;
  /** Undefined if the data set assigns the photo to no split. */
  readonly split?: Split;
  /** Captions as people wrote them. Empty for a photo that is only to be captioned. */
  readonly captions: readonly string[];
}

/** A line or file of a data set that could not be used and was left out. */
export interface Problem {
  /** The file with the problem. */
  readonly source: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly message: string;
}

/** A data set: photos with captions, and the problems found in its files. */
export interface Manifest {
  readonly name: string;
  readonly photos: readonly Photo[];
  readonly problems: readonly Problem[];
}

/**
 * Splits a data set that has no splits into 80 % train, 10 % dev and 10 % test, by shuffling the
 * ids of the photos. The same photos and seed give the same splits, whatever the order of the
 * photos. With three photos or more, dev and test get at least one each. A data set in which any
 * photo has a split is returned unchanged.
 */
export function splitPhotos(manifest: Manifest, seed = 1): Manifest {
  if (manifest.photos.some(({ split }) => split !== undefined)) return manifest;
  const ids = new Random(seed).shuffle(manifest.photos.map(({ id }) => id).sort());
  const tenth = ids.length < 3 ? 0 : Math.max(1, Math.round(ids.length / 10));
  const split = new Map<string, Split>(ids.map((id, i) => [id, i < tenth ? 'dev' : i < 2 * tenth ? 'test' : 'train']));
  return { ...manifest, photos: manifest.photos.map((photo) => ({ ...photo, split: split.get(photo.id) })) };
}
