import { DecoderConfig, parseConfig, TrainingConfig } from '../lib/config.js';
import { Decoder } from '../lib/model/decoder/decoder.js';
import { Random } from '../lib/random.js';
import { batchesPerEpoch, bucketCount, bucketLengths, planEpoch, type Batch } from '../lib/train/batches/batches.js';
import { ScheduledSampling } from '../lib/train/decoder/scheduled-sampling.js';
import { Adam } from '../lib/train/loop/optimizer.js';
import { storedFeatures, TrainingStep } from '../lib/train/decoder/training-step.js';
import { trainableVariables } from '../lib/train/loop/scalar-step.js';

/** The network and batch of a measured training step. */
export interface StepSizes {
  readonly features: number;
  readonly hidden: number;
  readonly embedding: number;
  readonly vocabulary: number;
  readonly batch: number;
  /** Words predicted per caption. */
  readonly length: number;
}

export const baseSizes: StepSizes = {
  features: 1280,
  hidden: 512,
  embedding: 300,
  vocabulary: 3000,
  batch: 64,
  length: 16,
};

/** The sizes as flags of `peers/torch_train.py` and `peers/train-step.ts`. */
export function sizeFlags(sizes: StepSizes): string[] {
  return Object.entries(sizes).flatMap(([name, size]) => [`--${name}`, String(size)]);
}

/**
 * Our training step (forward, cross-entropy, backward, Adam) on random words and features. Captions
 * have `sizes.length` words, unless a call gives another length.
 * @param scheduledSampling share of words to replace by sampled ones.
 */
export function trainingStep(sizes: StepSizes, scheduledSampling = 0): (length?: number) => Promise<unknown> {
  const { features: D, batch: B, vocabulary: V } = sizes;
  const random = new Random(1);
  const decoderConfig = parseConfig(DecoderConfig, {
    hiddenSize: sizes.hidden,
    embeddingSize: sizes.embedding,
    normalizeFeatures: false,
    featureDropout: 0,
    inputDropout: 0.5,
    outputDropout: 0.5,
  });
  const decoder = new Decoder(decoderConfig, { featureSize: D, vocabularySize: V }, { random });
  const training = parseConfig(TrainingConfig, { batchSize: B, clipNorm: 0 });
  const step = new TrainingStep(
    decoder,
    storedFeatures,
    new Adam(trainableVariables(decoder.variables), training),
    training,
  );
  const sampling = new ScheduledSampling(decoder);
  const features = Float32Array.from({ length: B * D }, () => random.uniform());
  const batchOf = (T: number): Batch => ({
    length: T,
    features,
    tokens: Int32Array.from({ length: T * B }, () => random.integer(V)),
    targets: Int32Array.from({ length: T * B }, () => random.integer(V)),
    weights: new Float32Array(T * B).fill(1 / (T * B)),
    words: T * B,
  });
  const batches = new Map<number, Batch>();
  let count = 0;
  return async (T = sizes.length) => {
    const batch = batches.get(T) ?? batchOf(T);
    batches.set(T, batch);
    return step.learn(await sampling.mix(batch, scheduledSampling, random), count++, 1e-3);
  };
}

/** Number of Flickr8k's 30,000 training captions with 0, 1, 2, … words, `<end>` included. */
const captionLengths = [
  0, 0, 0, 15, 125, 340, 854, 1948, 2501, 2916, 3319, 3309, 3133, 2773, 2330, 1865, 1339, 979, 684, 518, 370, 213, 138,
  105, 80, 51, 36, 19, 10, 9, 8, 5, 3, 2, 2, 0, 0, 0, 1,
];

/** Batches of captions: the number of words, and the lengths that the batches are padded to. */
export interface PaddedBatches {
  readonly words: number;
  readonly lengths: readonly number[];
}

/** The first batches of an epoch over captions with the lengths of Flickr8k. */
export interface CaptionBatches {
  /** In batches of similar length, as `captioner train` makes them. */
  readonly bucketed: PaddedBatches;
  /** In shuffled batches, each padded to its longest caption, as usual. */
  readonly shuffled: PaddedBatches;
}

export function captionBatches(batches: number, batchSize: number): CaptionBatches {
  const random = new Random(2);
  const all = random.shuffle(captionLengths.flatMap((count, length) => new Array<number>(count).fill(length)));
  const photos = all.map((length, i) => ({ id: String(i), captions: [new Array<number>(length - 1).fill(0)] }));
  const config = parseConfig(TrainingConfig, { batchSize, maxLength: captionLengths.length });
  const buckets = bucketLengths(all, bucketCount(batchesPerEpoch(photos, config)));
  const plans = planEpoch(photos, buckets, 0, config).slice(0, batches);
  const usual = Array.from({ length: batches }, (_, i) => all.slice(i * batchSize, (i + 1) * batchSize));
  return {
    bucketed: {
      words: sum(plans.flatMap(({ examples }) => examples.map(({ targets }) => targets.length))),
      lengths: plans.map(({ length }) => length),
    },
    shuffled: { words: sum(usual.flat()), lengths: usual.map((batch) => Math.max(...batch)) },
  };
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, n) => total + n, 0);
