import { readRows, type FeatureStore } from '../data/features/store.js';
import { captionLogProbabilities } from '../search/alternatives.js';
import type { Stepper } from '../search/stepper.js';
import { Vocabulary } from '../text/vocabulary.js';

/** Reference captions of a photo, as token ids. */
export interface EncodedReferences {
  readonly id: string;
  readonly captions: readonly (readonly number[])[];
}

/** A captioner's prediction of the reference captions. */
export interface ReferenceFit {
  /** Perplexity: exp of the mean negative log-probability per word, `<end>` included. */
  readonly perplexity: number;
  /** Number of predicted words, `<end>` included. */
  readonly words: number;
  /** Share of reference words outside the vocabulary, which count as `<unk>`. */
  readonly unknown: number;
}

/** Captions per batch. */
const CAPTIONS = 250;

/**
 * Perplexity of the references with teacher forcing: each word is predicted from the photo and the
 * reference words before it. Equals the dev perplexity in a training history, unless pretrained
 * vectors replaced unknown words there.
 *
 * @param maxLength captions are cut after this many words, as in training, and then have no
 * `<end>`.
 * @param onProgress receives the number of finished captions.
 */
export async function referenceFit<State>(
  stepper: Stepper<State>,
  features: FeatureStore,
  photos: readonly EncodedReferences[],
  {
    maxLength,
    onProgress,
    signal,
  }: { maxLength: number; onProgress?: (captions: number) => void; signal?: AbortSignal },
): Promise<ReferenceFit> {
  // Sorted by length, so that the batch shrinks as rarely as possible.
  const captions = photos
    .flatMap(({ id, captions }) => captions.map((words) => ({ id, targets: targetsOf(words, maxLength) })))
    .sort((a, b) => b.targets.length - a.targets.length);
  let [sum, words, ends, unknown] = [0, 0, 0, 0];
  for (let first = 0; first < captions.length; first += CAPTIONS) {
    signal?.throwIfAborted();
    const together = captions.slice(first, first + CAPTIONS);
    const rows = readRows(
      features,
      together.map(({ id }) => id),
    ); // [B, D]
    const found = await captionLogProbabilities(
      stepper,
      rows,
      together.map(({ targets }) => targets.filter((word) => word !== Vocabulary.END)),
    );
    // A caption that was cut has no <end> among its targets.
    together.forEach(({ targets }, i) => found[i].subarray(0, targets.length).forEach((log) => (sum += log)));
    for (const { targets } of together) {
      words += targets.length;
      ends += targets.at(-1) === Vocabulary.END ? 1 : 0;
      unknown += targets.filter((word) => word === Vocabulary.UNK).length;
    }
    onProgress?.(first + together.length);
  }
  return { perplexity: Math.exp(-sum / words), words, unknown: unknown / Math.max(1, words - ends) };
}

function targetsOf(words: readonly number[], maxLength: number): readonly number[] {
  return words.length > maxLength ? words.slice(0, maxLength) : [...words, Vocabulary.END];
}
