import { CaptionerError } from '../../errors.js';
import { decodePhoto } from '../../images/photo.js';
import type { PhotoEncoder } from './extraction.js';
import type { PhotoFile } from './photo-file.js';
import type { FeatureStore } from './store.js';

/**
 * The features of a few photos, in memory. For a data set use `extractFeatures`: its store is on
 * disk, can be completed after an interruption, and passes over photos that cannot be read.
 *
 * @throws CaptionerError as `decodePhoto` does. The returned features throw `not-found` for other
 *   photos.
 */
export async function photoFeatures(photos: readonly PhotoFile[], encoder: PhotoEncoder): Promise<FeatureStore> {
  const pixels = await Promise.all(
    photos.map(({ file, view }) => decodePhoto(file, encoder.inputSize, view && { view })),
  );
  const all = await encoder.features(pixels); // [N, D]
  const { dimension } = encoder.identity;
  const rowOf = new Map(photos.map(({ id }, row) => [id, row]));
  return {
    dimension,
    encoder: encoder.identity,
    precision: 'fp32',
    ids: photos.map(({ id }) => id),
    randomViews: [],
    has: (id) => rowOf.has(id),
    read: (id, into = new Float32Array(dimension), offset = 0) => {
      const row = rowOf.get(id);
      if (row === undefined) throw new CaptionerError('not-found', `There are no features of ${id} here.`);
      into.set(all.subarray(row * dimension, (row + 1) * dimension), offset);
      return into;
    },
    close: () => undefined,
  };
}
