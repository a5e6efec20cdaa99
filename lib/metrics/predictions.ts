import type { SearchConfig } from '../config.js';
import type { FeatureStore } from '../data/features.js';
import { beamSearch } from '../decode/beam.js';
import type { Stepper } from '../decode/stepper.js';
import type { Vocabulary } from '../text/vocabulary.js';

/** A caption as the COCO caption evaluation wants it. */
export interface Prediction {
  readonly image_id: string;
  readonly caption: string;
}

/** Photos that go through the search together. */
const PHOTOS = 50;

export interface PredictionOptions {
  /** Told how many photos are done. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Captions photos, by their stored features, with the best caption that the search finds for each. */
export async function predictCaptions<State>(
  stepper: Stepper<State>,
  vocabulary: Vocabulary,
  features: FeatureStore,
  photos: readonly string[],
  search: SearchConfig,
  { onProgress, signal }: PredictionOptions = {},
): Promise<Prediction[]> {
  const predictions: Prediction[] = [];
  for (let first = 0; first < photos.length; first += PHOTOS) {
    signal?.throwIfAborted();
    const together = photos.slice(first, first + PHOTOS);
    const rows = new Float32Array(together.length * features.dimension); // [B, D]
    together.forEach((id, row) => features.read(id, rows, row * features.dimension));
    const found = await beamSearch(stepper, rows, together.length, { ...search, n: 1 });
    together.forEach((id, row) => {
      predictions.push({ image_id: id, caption: vocabulary.decode(found[row][0].tokens) });
    });
    onProgress?.(predictions.length);
  }
  return predictions;
}
