import type { PhotoEncoder } from '../../data/features/extraction.js';
import type { FeatureStore } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import { decodePhoto } from '../../images/photo.js';

/** Photos decoded at a time. */
const together = 16;

/**
 * Computes features of photos in memory, for an encoder that changes with the next epoch.
 * @param skip receives a photo that cannot be decoded; it has no features.
 */
export async function featuresOf(
  photos: readonly { readonly id: string; readonly file: string }[],
  encoder: PhotoEncoder,
  skip: (id: string, reason: string) => void,
  signal?: AbortSignal,
): Promise<FeatureStore> {
  const { identity, inputSize } = encoder;
  const rows = new Map<string, Float32Array>();
  const decodeSome = (first: number) =>
    Promise.all(
      photos.slice(first, first + together).map(async ({ id, file }) => {
        try {
          return { id, pixels: await decodePhoto(file, inputSize) };
        } catch (error) {
          if (!(error instanceof CaptionerError) || !['bad-image', 'not-found'].includes(error.code)) throw error;
          return { id, reason: error.message };
        }
      }),
    );
  let next = decodeSome(0);
  for (let first = 0; first < photos.length; first += together) {
    const some = await next;
    next = decodeSome(first + together);
    next.catch(() => undefined); // the error surfaces where it is awaited
    signal?.throwIfAborted();
    const decoded = some.flatMap(({ id, pixels }) => (pixels ? [{ id, pixels }] : []));
    for (const { id, reason } of some) if (reason !== undefined) skip(id, reason);
    const features = await encoder.features(decoded.map(({ pixels }) => pixels));
    decoded.forEach(({ id }, i) => {
      rows.set(id, features.slice(i * identity.dimension, (i + 1) * identity.dimension));
    });
  }
  return memoryFeatures(rows, identity);
}

function memoryFeatures(rows: ReadonlyMap<string, Float32Array>, encoder: PhotoEncoder['identity']): FeatureStore {
  return {
    dimension: encoder.dimension,
    encoder,
    precision: 'fp32',
    ids: [...rows.keys()],
    randomViews: [],
    has: (id) => rows.has(id),
    read: (id, into = new Float32Array(encoder.dimension), offset = 0) => {
      const row = rows.get(id);
      if (!row) throw new CaptionerError('not-found', `There are no features of ${id}.`);
      into.set(row, offset);
      return into;
    },
    close: () => undefined,
  };
}
