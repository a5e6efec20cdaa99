import type { FeatureStore } from '../data/features.js';
import { saveCheckpoint, type CheckpointConfig } from '../model/checkpoint.js';
import type { Decoder } from '../model/decoder.js';
import type { Weights } from '../model/safetensors.js';
import { weightsOf } from '../model/variables.js';
import type { Vocabulary } from '../text/vocabulary.js';
import { batchesPerEpoch, planEpoch, readBatch, type Batch, type BatchPlan, type CaptionedPhoto } from './batches.js';
import { modelCard } from './card.js';
import type { History } from './history.js';
import { Adam } from './optimizer.js';
import { runFolders } from './run-folder.js';
import { learningRateAt } from './schedule.js';
import { storedFeatures, trainableVariables, TrainingStep, ValidationStep } from './step.js';
import type { StepResult, TrainerState, TrainingTask } from './trainer.js';
import type { Validation } from './validation.js';

export interface CaptionerTaskParts {
  readonly out: string;
  /** What its checkpoints say of it. */
  readonly config: CheckpointConfig;
  readonly decoder: Decoder;
  readonly vocabulary: Vocabulary;
  readonly graphs: ReadonlyMap<string, Uint8Array>;
  readonly photos: readonly CaptionedPhoto[];
  readonly features: FeatureStore;
  /** Lengths that captions are padded to. */
  readonly buckets: readonly number[];
  readonly validation: Validation;
  readonly history: History;
  /** Of the optimiser, to go on from. */
  readonly slots?: Weights;
}

/** Learning to caption photos, as the trainer sees it. */
export class CaptionerTask implements TrainingTask<BatchPlan> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly optimizer: Adam;
  private readonly training: TrainingStep<Batch>;
  private readonly validating: ValidationStep;

  constructor(private readonly parts: CaptionerTaskParts) {
    const { config, decoder, photos, slots } = parts;
    this.epochs = config.training.epochs;
    this.batchesPerEpoch = batchesPerEpoch(photos, config.training);
    this.optimizer = new Adam(trainableVariables(decoder.variables), config.training, slots);
    this.training = new TrainingStep(decoder, storedFeatures, this.optimizer, config.training);
    this.validating = new ValidationStep(decoder);
  }

  plan(epoch: number): BatchPlan[] {
    const { photos, buckets, config } = this.parts;
    return planEpoch(photos, buckets, epoch, config.training);
  }

  async step(plan: BatchPlan, step: number): Promise<StepResult> {
    const { features, config } = this.parts;
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, config.training);
    const batch = readBatch(plan, features, config.training.batchSize);
    return { ...(await this.training.learn(batch, step, learningRate)), learningRate, count: batch.words };
  }

  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { validation, graphs, decoder, config } = this.parts;
    if (config.dataset.devPhotos === 0) return {};
    const loss = await validation.loss(this.validating, signal);
    const scores = await validation.scores(graphs, weightsOf(decoder.variables), signal);
    return { loss, perplexity: Math.exp(loss), ...scores };
  }

  /** CIDEr on the dev photos; without any, what brings the training loss down. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return scores.CIDEr ?? -loss;
  }

  save(state: TrainerState, best: boolean): void {
    const { out, vocabulary, graphs, decoder, history } = this.parts;
    const config: CheckpointConfig = {
      ...this.parts.config,
      trained: { epochs: state.epoch, steps: state.step },
      scores: best ? state.bestScores : {},
    };
    const checkpoint = { config, vocabulary, graphs, weights: weightsOf(decoder.variables) };
    const about = { card: modelCard(config), history: history.bytes() };
    const folders = runFolders(out);
    if (best) saveCheckpoint(folders.best, checkpoint, about);
    const resume = { slots: weightsOf(this.optimizer.slots), state };
    saveCheckpoint(folders.last, checkpoint, { ...about, resume });
  }

  dispose(): void {
    this.training.dispose();
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.decoder.dispose();
  }
}
