import type { FeatureStore } from '../data/features.js';
import { saveCheckpoint, type CheckpointConfig } from '../model/checkpoint.js';
import type { Decoder } from '../model/decoder.js';
import type { Weights } from '../model/safetensors.js';
import { weightsOf } from '../model/variables.js';
import type { Vocabulary } from '../text/vocabulary.js';
import type { CaptionedPhoto } from './batches.js';
import { modelCard } from './card.js';
import type { History } from './history.js';
import { Adam, type OptimizerConfig } from './optimizer.js';
import { runFolders } from './run-folder.js';
import { trainableVariables, ValidationStep } from './step.js';
import type { StepResult, TrainerState, TrainingTask } from './trainer.js';
import type { Validation } from './validation.js';

export interface DecoderTaskParts {
  readonly out: string;
  /** What its checkpoints say of it. */
  readonly config: CheckpointConfig;
  /** The ONNX file of its encoder, where the checkpoint has one of its own. */
  readonly encoder?: Uint8Array;
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

/** Training a decoder on stored features, whatever it learns from: how it is judged and saved. */
export abstract class DecoderTask<Plan> implements TrainingTask<Plan> {
  abstract readonly unit: TrainingTask<Plan>['unit'];
  abstract readonly epochs: number;
  abstract readonly batchesPerEpoch: number;
  abstract plan(epoch: number): readonly Plan[];
  abstract step(plan: Plan, step: number): Promise<StepResult>;
  /** What a checkpoint says of how far it was trained. */
  protected abstract trained(state: TrainerState): Partial<CheckpointConfig>;

  protected readonly optimizer: Adam;
  private readonly validating: ValidationStep;

  constructor(
    protected readonly parts: DecoderTaskParts,
    optimizing: OptimizerConfig,
  ) {
    this.optimizer = new Adam(trainableVariables(parts.decoder.variables), optimizing, parts.slots);
    this.validating = new ValidationStep(parts.decoder);
  }

  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { validation, graphs, decoder } = this.parts;
    if (validation.empty) return {};
    const loss = await validation.loss(this.validating, signal);
    const scores = await validation.scores(graphs, weightsOf(decoder.variables), signal);
    return { loss, perplexity: Math.exp(loss), ...scores };
  }

  /** CIDEr on the dev photos; without any, what brings the training loss down. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return scores.CIDEr ?? -loss;
  }

  save(state: TrainerState, best: boolean): void {
    const { out, vocabulary, graphs, decoder, history, encoder } = this.parts;
    const config: CheckpointConfig = {
      ...this.parts.config,
      ...this.trained(state),
      scores: best ? state.bestScores : {},
    };
    const checkpoint = { config, vocabulary, graphs, weights: weightsOf(decoder.variables) };
    const about = { card: modelCard(config), history: history.bytes(), encoder };
    const folders = runFolders(out);
    if (best) saveCheckpoint(folders.best, checkpoint, about);
    const resume = { slots: weightsOf(this.optimizer.slots), state };
    saveCheckpoint(folders.last, checkpoint, { ...about, resume });
  }

  dispose(): void {
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.decoder.dispose();
  }
}
