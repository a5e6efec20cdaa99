import { parseConfig, SearchConfig, type TrainingConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import { DecoderSession } from '../../search/decoder-session.js';
import { predictCaptions } from '../../metrics/predictions.js';
import { ptbTokenize } from '../../metrics/ptb.js';
import { CaptionScorer } from '../../metrics/scorer.js';
import type { Weights } from '../../files/safetensors.js';
import type { Vocabulary } from '../../text/vocabulary.js';
import { examplesOf, planBatches, readBatch, type BatchPlan, type EncodedPhoto } from '../batches/batches.js';
import type { ValidationStep } from './training-step.js';

export interface ValidationData {
  readonly photos: readonly EncodedPhoto[];
  /** Of each photo, as people wrote them. */
  readonly references: readonly (readonly string[])[];
  readonly features: FeatureStore;
  readonly vocabulary: Vocabulary;
}

/** What an epoch is judged by: the loss on the dev captions, and the scores of captions written for the dev photos. */
export class Validation {
  private readonly plans: readonly BatchPlan[];
  private readonly scorer: CaptionScorer | undefined;

  /** @param buckets lengths to pad captions to; none of the captions may be longer than the last. */
  constructor(
    private readonly data: ValidationData,
    private readonly buckets: readonly number[],
    private readonly config: Pick<TrainingConfig, 'maxLength' | 'batchSize'>,
  ) {
    const examples = data.photos.flatMap((photo) => examplesOf(photo, config.maxLength));
    this.plans = planBatches(examples, this.buckets, config.batchSize);
    const references = data.references.map((captions) => captions.map(ptbTokenize));
    if (references.length > 0) this.scorer = new CaptionScorer(references);
  }

  /** Whether there is nothing to judge by. */
  get empty(): boolean {
    return this.data.photos.length === 0;
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
    const { vocabulary, features, photos } = this.data;
    const session = await DecoderSession.load(graphs, weights);
    try {
      const ids = photos.map(({ id }) => id);
      const search = parseConfig(SearchConfig, {});
      const predictions = await predictCaptions(session, vocabulary, features, ids, search, { signal });
      return { ...this.scorer.score(predictions.map(({ caption }) => ptbTokenize(caption))).corpus };
    } finally {
      await session.release();
    }
  }
}
