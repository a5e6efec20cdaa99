import type { SearchConfig } from '../config.js';
import type { FeatureStore } from '../data/features/store.js';
import { searchCaptions } from '../search/search.js';
import type { Stepper } from '../search/stepper.js';
import type { Vocabulary } from '../text/vocabulary.js';

/** A caption as the COCO caption evaluation wants it. */
export interface Prediction {
  readonly image_id: string;
  readonly caption: string;
}

/** A caption, and how sure its captioner is of it. */
export interface ConfidentPrediction extends Prediction {
  /** ln p of the caption, `<end>` included where it has one. */
  readonly logProbability: number;
  /** Words that the probability is the product of, `<end>` counted. */
  readonly length: number;
  /** ln p of each of these words. */
  readonly tokenLogProbabilities: readonly number[];
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
): Promise<ConfidentPrediction[]> {
  const predictions: ConfidentPrediction[] = [];
  for (let first = 0; first < photos.length; first += PHOTOS) {
    signal?.throwIfAborted();
    const together = photos.slice(first, first + PHOTOS);
    const rows = new Float32Array(together.length * features.dimension); // [B, D]
    together.forEach((id, row) => features.read(id, rows, row * features.dimension));
    const found = await searchCaptions(stepper, vocabulary, rows, together.length, { ...search, n: 1 });
    together.forEach((id, row) => {
      const { tokens, logProbability, tokenLogProbabilities } = found[row][0];
      const caption = vocabulary.decode(tokens, { unknown: true });
      predictions.push({
        image_id: id,
        caption,
        logProbability,
        length: tokenLogProbabilities.length,
        tokenLogProbabilities,
      });
    });
    onProgress?.(predictions.length);
  }
  return predictions;
}
