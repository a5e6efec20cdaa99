import type { FeatureStore } from '../data/features.js';
import type { Stepper } from '../decode/stepper.js';
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
  // Longest first: those that are at their end are the last rows, and are left off.
  const captions = photos
    .flatMap(({ id, captions }) => captions.map((words) => ({ id, targets: targetsOf(words, maxLength) })))
    .sort((a, b) => b.targets.length - a.targets.length);
  let [sum, words, ends, unknown] = [0, 0, 0, 0];
  for (let first = 0; first < captions.length; first += CAPTIONS) {
    signal?.throwIfAborted();
    const together = captions.slice(first, first + CAPTIONS);
    const rows = new Float32Array(together.length * features.dimension); // [B, D]
    together.forEach(({ id }, row) => features.read(id, rows, row * features.dimension));
    sum += await sumOfLogProbabilities(stepper, rows, together);
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

/** @param captions the longest first. */
async function sumOfLogProbabilities<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  captions: readonly { readonly targets: readonly number[] }[],
): Promise<number> {
  let state: State = await stepper.start(features, captions.length);
  let going = captions.length;
  let sum = 0;
  for (let t = 0; ; t++) {
    const tokens = Int32Array.from({ length: going }, (_, row) =>
      t === 0 ? Vocabulary.START : captions[row].targets[t - 1],
    );
    const next = await stepper.step(state, tokens);
    stepper.dispose?.(state);
    state = next.state;
    for (let row = 0; row < going; row++) {
      sum += next.logProbabilities[row * stepper.vocabularySize + captions[row].targets[t]];
    }
    const still = captions.slice(0, going).filter(({ targets }) => targets.length > t + 1).length;
    if (still === 0) break;
    if (still < going) {
      const gathered = stepper.gather(
        state,
        Int32Array.from({ length: still }, (_, row) => row),
      );
      stepper.dispose?.(state);
      state = gathered;
      going = still;
    }
  }
  stepper.dispose?.(state);
  return sum;
}
