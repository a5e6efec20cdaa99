import type { FeatureStore } from '../data/features/store.js';
import { captionLogProbabilities } from '../search/alternatives.js';
import type { Stepper } from '../search/stepper.js';
import { Vocabulary } from '../text/vocabulary.js';

/** Captions as ids of words, of a photo. */
export interface EncodedReferences {
  readonly id: string;
  readonly captions: readonly (readonly number[])[];
}

/** How probable a captioner finds what people wrote. */
export interface ReferenceFit {
  /** exp of the mean of -ln p over all words, `<end>` counted: among so many equally likely words it chooses, in a manner of speaking. */
  readonly perplexity: number;
  /** Words that were predicted, `<end>` counted. */
  readonly words: number;
  /** The share of people's words (`<end>` is none) that the captioner does not know: they count as `<unk>`. */
  readonly unknown: number;
}

/** Captions that go through the decoder together. */
const CAPTIONS = 250;

/**
 * Perplexity of references, by teacher forcing: each word's probability is given the photo and the words before it that people wrote.
 * The same number as of the dev captions in a training's history, unless pretrained vectors stood in for unknown words there.
 *
 * @param maxLength captions are cut after so many words, as in training; they have no `<end>` then.
 * @param onProgress told how many captions are done.
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
  // Those of like length together: the batch shrinks as few times as can be.
  const captions = photos
    .flatMap(({ id, captions }) => captions.map((words) => ({ id, targets: targetsOf(words, maxLength) })))
    .sort((a, b) => b.targets.length - a.targets.length);
  let [sum, words, ends, unknown] = [0, 0, 0, 0];
  for (let first = 0; first < captions.length; first += CAPTIONS) {
    signal?.throwIfAborted();
    const together = captions.slice(first, first + CAPTIONS);
    const rows = new Float32Array(together.length * features.dimension); // [B, D]
    together.forEach(({ id }, row) => features.read(id, rows, row * features.dimension));
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
