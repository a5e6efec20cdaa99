import type { SearchConfig } from '../config.js';
import { readRows, type FeatureStore } from '../data/features/store.js';
import { searchCaptions } from '../search/search.js';
import { resolveSearch } from '../search/search-config.js';
import type { Stepper } from '../search/stepper.js';
import type { Vocabulary } from '../text/vocabulary.js';

/** A caption in the format of the COCO caption evaluation. */
export interface Prediction {
  readonly image_id: string;
  readonly caption: string;
}

/** A caption with its probability. */
export interface ConfidentPrediction extends Prediction {
  /** Log-probability of the caption, including `<end>` if it has one. */
  readonly logProbability: number;
  /** Number of words in that probability, `<end>` included. */
  readonly length: number;
  /** Log-probability of each of these words. */
  readonly tokenLogProbabilities: readonly number[];
}

/** Photos per batch. */
const PHOTOS = 50;

export interface PredictionOptions {
  /** Receives the number of finished photos. */
  readonly onProgress?: (done: number) => void;
  readonly signal?: AbortSignal;
}

/** Captions photos from their stored features, with the best caption of a search for each. */
export async function predictCaptions<State>(
  stepper: Stepper<State>,
  vocabulary: Vocabulary,
  features: FeatureStore,
  photos: readonly string[],
  search: SearchConfig,
  { onProgress, signal }: PredictionOptions = {},
): Promise<ConfidentPrediction[]> {
  const predictions: ConfidentPrediction[] = [];
  const single = resolveSearch({ ...search, n: 1 });
  for (let first = 0; first < photos.length; first += PHOTOS) {
    signal?.throwIfAborted();
    const together = photos.slice(first, first + PHOTOS);
    const rows = readRows(features, together); // [B, D]
    const found = await searchCaptions(stepper, vocabulary, rows, together.length, single);
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
