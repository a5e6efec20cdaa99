import { DecoderConfig, parseConfig, TrainingConfig } from '../lib/config.js';
import { Decoder } from '../lib/model/decoder.js';
import { Random } from '../lib/random.js';
import type { Batch } from '../lib/train/batches.js';
import { Adam } from '../lib/train/optimizer.js';
import { storedFeatures, trainableVariables, TrainingStep } from '../lib/train/step.js';

/** The network and batch that a training step is measured with. */
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

/** Our step (forward, cross-entropy, backward, Adam), on random words and features. */
export function trainingStep(sizes: StepSizes): () => Promise<unknown> {
  const { features: D, batch: B, length: T, vocabulary: V } = sizes;
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
  const batch: Batch = {
    length: T,
    features: Float32Array.from({ length: B * D }, () => random.uniform()),
    tokens: Int32Array.from({ length: T * B }, () => random.integer(V)),
    targets: Int32Array.from({ length: T * B }, () => random.integer(V)),
    weights: new Float32Array(T * B).fill(1 / (T * B)),
    words: T * B,
  };
  let count = 0;
  return () => step.learn(batch, count++, 1e-3);
}
