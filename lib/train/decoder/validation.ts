import type { TrainingConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import { DecoderSession } from '../../search/decoder-session.js';
import { resolveSearch } from '../../search/search-config.js';
import { predictCaptions, type Prediction } from '../../metrics/predictions.js';
import { ptbTokenize } from '../../metrics/ptb.js';
import { CaptionScorer } from '../../metrics/scorer.js';
import type { Weights } from '../../files/safetensors.js';
import type { Vocabulary } from '../../text/vocabulary.js';
import { bucketLengths, examplesOf, planBatches, readBatch, type BatchPlan } from '../batches/batches.js';
import type { DevPhoto } from '../batches/caption-data.js';
import type { ValidationStep } from './training-step.js';

/** Dev photos with their captions and features. */
export interface ValidationData {
  readonly dev: readonly DevPhoto[];
  readonly features: FeatureStore;
  readonly vocabulary: Vocabulary;
}

/** Maximum number of lengths that dev captions are padded to. */
const LENGTHS = 4;
/** Photos whose captions are kept from epoch to epoch. */
const SAMPLES = 12;

/** The judge of an epoch: the loss on the dev captions, and the scores of captions written for the dev photos. */
export class Validation {
  private readonly plans: readonly BatchPlan[];
  private readonly scorer: CaptionScorer | undefined;
  /** The captions that `scores` last found for a few photos, spread evenly over the dev photos. */
  samples: readonly Prediction[] = [];

  constructor(
    private readonly data: ValidationData,
    private readonly config: Pick<TrainingConfig, 'maxLength' | 'batchSize'>,
  ) {
    const { dev } = data;
    const examples = dev.flatMap((photo) => examplesOf(photo, config.maxLength));
    const buckets = bucketLengths(
      examples.map(({ targets }) => targets.length),
      LENGTHS,
    );
    this.plans = planBatches(examples, buckets, config.batchSize);
    if (dev.length > 0) this.scorer = new CaptionScorer(dev.map(({ references }) => references.map(ptbTokenize)));
  }

  /** Whether there is nothing to judge by. */
  get empty(): boolean {
    return this.data.dev.length === 0;
  }

  /** Mean per word of the dev captions; its exponential is the perplexity. */
  async loss(step: ValidationStep, signal?: AbortSignal): Promise<number> {
    let sum = 0;
    let words = 0;
    for (const plan of this.plans) {
      signal?.throwIfAborted();
      const batch = readBatch(plan, this.data.features, this.config.batchSize);
      sum += (await step.loss(batch)) * batch.words;
      words += batch.words;
    }
    return sum / words;
  }

  /** BLEU, ROUGE-L and CIDEr of captions that the decoder writes by beam search (the default search). */
  async scores(
    graphs: ReadonlyMap<string, Uint8Array>,
    weights: Weights,
    signal?: AbortSignal,
  ): Promise<Readonly<Record<string, number>>> {
    if (!this.scorer) return {};
    const { vocabulary, features, dev } = this.data;
    const session = await DecoderSession.load(graphs, weights);
    try {
      const ids = dev.map(({ id }) => id);
      const search = resolveSearch({});
      const predictions = await predictCaptions(session, vocabulary, features, ids, search, { signal });
      this.samples = spread(predictions, SAMPLES).map(({ image_id, caption }) => ({ image_id, caption }));
      return { ...this.scorer.score(predictions.map(({ caption }) => ptbTokenize(caption))).corpus };
    } finally {
      await session.release();
    }
  }
}

/** At most `most` items at equal distances. */
function spread<T>(items: readonly T[], most: number): T[] {
  const count = Math.min(most, items.length);
  return Array.from({ length: count }, (_, i) => items[Math.floor((i * items.length) / count)]);
}
