import { Random } from '../../random.js';

/** What a photo is for: learning, choosing hyperparameters, or the final score. */
export type Split = 'train' | 'dev' | 'test';

/** The splits, in the order in which they are listed. */
export const splits: readonly Split[] = ['train', 'dev', 'test'];

/** A photo of a data set. */
export interface Photo {
  /** Unique in the data set: the file's name relative to the folder of photos, with forward slashes. */
  readonly id: string;
  /** Absolute path. */
  readonly file: string;
  /** Undefined where the data set puts the photo in no split. */
  readonly split?: Split;
  /** As people wrote them. Empty for a photo that is only to be captioned. */
  readonly captions: readonly string[];
}

/** A line or file of a data set that could not be used, and was left out. */
export interface Problem {
  /** The file where it is. */
  readonly source: string;
  /** Counted from 1. */
  readonly line?: number;
  readonly message: string;
}

/** A data set: photos with captions, and what was wrong with its files. */
export interface Manifest {
  readonly name: string;
  readonly photos: readonly Photo[];
  readonly problems: readonly Problem[];
}

/**
 * Splits a data set that has no splits: 80 % train, 10 % dev, 10 % test, by a shuffle of the photos' ids.
 * The same photos and seed give the same splits, whatever the order of the photos. At least one photo goes to dev and to
 * test when there are three. A data set with a split of its own for any photo comes back as it is.
 */
export function splitPhotos(manifest: Manifest, seed = 1): Manifest {
  if (manifest.photos.some(({ split }) => split !== undefined)) return manifest;
  const ids = new Random(seed).shuffle(manifest.photos.map(({ id }) => id).sort());
  const tenth = ids.length < 3 ? 0 : Math.max(1, Math.round(ids.length / 10));
  const split = new Map<string, Split>(ids.map((id, i) => [id, i < tenth ? 'dev' : i < 2 * tenth ? 'test' : 'train']));
  return { ...manifest, photos: manifest.photos.map((photo) => ({ ...photo, split: split.get(photo.id) })) };
}
