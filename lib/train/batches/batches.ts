import type { TrainingConfig } from '../../config.js';
import { readRows, type FeatureStore } from '../../data/features/store.js';
import { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';

/** A photo and its captions, as ids of words. */
export interface EncodedPhoto {
  readonly id: string;
  readonly captions: readonly (readonly number[])[];
}

/** One caption to learn: inputs are `<start>` and all words but the last of `targets`. */
export interface Example {
  /** The row of features to read: a photo, or a random view of one. */
  readonly photo: string;
  /** The caption's words and `<end>`; a caption that was cut has no `<end>`. */
  readonly targets: readonly number[];
}

/** The examples of a batch, and the number of words T that they are padded to. */
export interface BatchPlan {
  readonly length: number;
  /** At most B examples. */
  readonly examples: readonly Example[];
}

/** B captions of at most T words, time-major: row t * B + b is word t of caption b. */
export interface CaptionBatch {
  /** T */
  readonly length: number;
  /** Words that the decoder reads, [T, B]. */
  readonly tokens: Int32Array;
  /** Words that it should write, [T * B]. */
  readonly targets: Int32Array;
  /** 1 / words at words, 0 at padding, [T * B]: the weights of the mean per word. */
  readonly weights: Float32Array;
  /** Number of words, excluding padding. */
  readonly words: number;
}

/** Captions and the stored features of their photos. */
export interface Batch extends CaptionBatch {
  /** [B, D] */
  readonly features: Float32Array;
}

/** Examples of captions, cut after `maxLength` words. */
export function examplesOf({ id, captions }: EncodedPhoto, maxLength: number): Example[] {
  return captions.map((words) => ({
    photo: id,
    targets: words.length > maxLength ? words.slice(0, maxLength) : [...words, Vocabulary.END],
  }));
}

/**
 * At most `most` lengths to pad captions to, in ascending order, chosen to minimise the padding of
 * all `lengths` to the next one. The last is the greatest of `lengths`. (Each length is a graph to
 * compile; each padded word is wasted work.)
 */
export function bucketLengths(lengths: Iterable<number>, most = 6): number[] {
  const counts = new Map<number, number>();
  for (const length of lengths) counts.set(length, (counts.get(length) ?? 0) + 1);
  const distinct = [...counts.keys()].sort((a, b) => a - b);
  // best[i]: the least number of padded words for the i shortest lengths, and the buckets that need no more.
  let best: { words: number; buckets: number[] }[] = distinct.map((length, i) => ({
    words: length * distinct.slice(0, i + 1).reduce((sum, l) => sum + counts.get(l)!, 0),
    buckets: [length],
  }));
  for (let buckets = 2; buckets <= Math.min(most, distinct.length); buckets++) {
    best = distinct.map((length, i) => {
      let choice = best[i];
      let captions = 0;
      for (let j = i; j > 0; j--) {
        captions += counts.get(distinct[j])!;
        const words = best[j - 1].words + length * captions;
        if (words < choice.words) choice = { words, buckets: [...best[j - 1].buckets, length] };
      }
      return choice;
    });
  }
  return best.at(-1)?.buckets ?? [];
}

/**
 * Number of lengths for {@link bucketLengths}. Each is another graph to compile, which takes as long
 * as a few steps: large data sets have 12, which leave 3 % padding, and small ones 6.
 */
export function bucketCount(batchesPerEpoch: number): number {
  return Math.min(12, Math.max(6, Math.floor(batchesPerEpoch / 10)));
}

/**
 * The batches of an epoch: which captions, in which order. They depend only on the seed and the
 * number of the epoch, so a resumed run gets the same ones. Captions of similar length share a
 * batch. Captions left over when all buckets are filled share the last batches, so the number of
 * batches is always the number of examples / `batchSize`, rounded up.
 */
export function planEpoch(
  photos: readonly EncodedPhoto[],
  buckets: readonly number[],
  epoch: number,
  { batchSize, captions, maxLength, seed }: Pick<TrainingConfig, 'batchSize' | 'captions' | 'maxLength' | 'seed'>,
): BatchPlan[] {
  const random = new Random(seed, epoch);
  const examples = photos.flatMap((photo) => {
    const all = examplesOf(photo, maxLength);
    if (captions === 'one') return all.slice(0, 1);
    if (captions === 'random' && all.length > 0) return [all[random.integer(all.length)]];
    return all;
  });
  return random.shuffle(planBatches(random.shuffle(examples), buckets, batchSize));
}

/** Puts examples into batches by length, in their order. */
export function planBatches(examples: readonly Example[], buckets: readonly number[], batchSize: number): BatchPlan[] {
  return groupByLength(examples, ({ targets }) => targets.length, buckets, batchSize).map(({ length, items }) => ({
    length,
    examples: items,
  }));
}

/** Groups items of similar length, at most `most` in a group, in their order. Items left over share the last groups. */
export function groupByLength<T>(
  all: readonly T[],
  lengthOf: (item: T) => number,
  buckets: readonly number[],
  most: number,
): { length: number; items: T[] }[] {
  const bucketOf = (item: T) => buckets.find((length) => lengthOf(item) <= length)!;
  const groups: { length: number; items: T[] }[] = [];
  const filling = new Map(buckets.map((length) => [length, [] as T[]]));
  for (const item of all) {
    const length = bucketOf(item);
    const items = filling.get(length)!;
    if (items.push(item) < most) continue;
    groups.push({ length, items });
    filling.set(length, []);
  }
  const rest = [...filling.values()].flat();
  for (let i = rest.length; i > 0; i -= most) {
    const items = rest.slice(Math.max(0, i - most), i);
    groups.push({ length: bucketOf(items.at(-1)!), items });
  }
  return groups;
}

/** Number of batches in an epoch. */
export function batchesPerEpoch(
  photos: readonly EncodedPhoto[],
  config: Pick<TrainingConfig, 'batchSize' | 'captions'>,
) {
  const captions = photos.reduce((n, photo) => n + (config.captions === 'all' ? photo.captions.length : 1), 0);
  return Math.ceil(captions / config.batchSize);
}

/** Reads the batch of a plan; rows without an example are padding. */
export function readBatch(plan: BatchPlan, store: FeatureStore, batchSize: number): Batch {
  const ids = plan.examples.map(({ photo }) => photo);
  const features = readRows(store, ids, batchSize); // [B, D]
  return { ...fillCaptions(plan.examples, plan.length, batchSize), features };
}

/** Captions as B columns of T words, padded after their ends and for missing examples. */
export function fillCaptions(examples: readonly (Example | undefined)[], T: number, B: number): CaptionBatch {
  const batch = {
    length: T,
    tokens: new Int32Array(T * B).fill(Vocabulary.PAD),
    targets: new Int32Array(T * B).fill(Vocabulary.PAD),
    weights: new Float32Array(T * B),
    words: examples.reduce((sum, example) => sum + (example?.targets.length ?? 0), 0),
  };
  examples.forEach((example, b) =>
    example?.targets.forEach((target, t) => {
      batch.tokens[t * B + b] = t === 0 ? Vocabulary.START : example.targets[t - 1];
      batch.targets[t * B + b] = target;
      batch.weights[t * B + b] = 1 / batch.words;
    }),
  );
  return batch;
}
