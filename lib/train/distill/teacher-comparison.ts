import type { PhotoFile } from '../../data/features/photo-file.js';
import type { FeatureStatistics } from '../../data/features/statistics.js';
import { readRows, type FeatureStore } from '../../data/features/store.js';
import { decodePhoto } from '../../images/photo.js';
import { describeEncoder } from '../../model/encoder/encoder-source.js';
import { Encoder } from '../../model/encoder/encoder.js';

/** Dev photos encoded between two checks of the abort signal. */
const PHOTOS_AT_A_TIME = 32;

/** Compares a student's features of the dev photos with those of its teacher. */
export class TeacherComparison {
  private constructor(
    /** RGB bytes of the photos, [S, S, 3] each. */
    private readonly pixels: readonly Uint8Array[],
    /** The teacher's features, standardised, [N, D]. */
    private readonly wanted: Float32Array,
    /** Statistics of the train photos' features, by which both are standardised. */
    private readonly statistics: FeatureStatistics,
  ) {}

  /** Decodes the photos. @param size width and height of the student's input. */
  static async open(
    { photos, features }: { readonly photos: readonly PhotoFile[]; readonly features: FeatureStore },
    statistics: FeatureStatistics,
    size: number,
  ): Promise<TeacherComparison> {
    const pixels = await Promise.all(photos.map(({ file }) => decodePhoto(file, size)));
    const ids = photos.map(({ id }) => id);
    return new TeacherComparison(pixels, standardise(readRows(features, ids), statistics), statistics);
  }

  /**
   * Compares an exported student.
   * @returns `cosine`, the mean over photos, and `explained`, the share of the variance (R²).
   */
  async scores(model: Uint8Array, signal?: AbortSignal): Promise<Record<string, number>> {
    const { pixels, wanted, statistics } = this;
    const D = statistics.mean.length;
    const given = new Float32Array(wanted.length); // [N, D]
    const encoder = await Encoder.open(describeEncoder(model, 'the network as exported'));
    try {
      for (let first = 0; first < pixels.length; first += PHOTOS_AT_A_TIME) {
        signal?.throwIfAborted();
        given.set(await encoder.features(pixels.slice(first, first + PHOTOS_AT_A_TIME)), first * D);
      }
    } finally {
      await encoder.release();
    }
    standardise(given, statistics);
    let [cosines, errors, squares] = [0, 0, 0];
    for (let i = 0; i < pixels.length; i++) {
      const [a, b] = [given, wanted].map((rows) => rows.subarray(i * D, (i + 1) * D));
      let [ab, aa, bb] = [0, 0, 0];
      for (let d = 0; d < D; d++) {
        ab += a[d] * b[d];
        aa += a[d] * a[d];
        bb += b[d] * b[d];
      }
      cosines += ab / Math.sqrt(aa * bb + 1e-12);
      errors += aa + bb - 2 * ab;
      squares += bb;
    }
    return { cosine: cosines / pixels.length, explained: 1 - errors / squares };
  }
}

/** Standardises rows [N, D] in place. */
function standardise(rows: Float32Array, { mean, std }: FeatureStatistics): Float32Array {
  const D = mean.length;
  rows.forEach((x, i) => (rows[i] = (x - mean[i % D]) / std[i % D]));
  return rows;
}
