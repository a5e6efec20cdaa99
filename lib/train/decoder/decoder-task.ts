import type { FeatureStore } from '../../data/features/store.js';
import { saveCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { Decoder } from '../../model/decoder/decoder.js';
import type { Weights } from '../../files/safetensors.js';
import { weightsOf, withPrefix } from '../../model/variables.js';
import type { Vocabulary } from '../../text/vocabulary.js';
import type { EncodedPhoto } from '../batches/batches.js';
import { modelCard } from '../../publish/card.js';
import type { History } from '../loop/history.js';
import { Adam, type OptimizerConfig } from '../loop/optimizer.js';
import type { RandomViews } from '../batches/random-views.js';
import { runFolders } from '../loop/run-folder.js';
import { trainableVariables, ValidationStep } from './training-step.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';
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
  readonly photos: readonly EncodedPhoto[];
  readonly features: FeatureStore;
  /** Of the photos, to be learned from in their place. */
  readonly views: RandomViews;
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
  /** Its weights are the moving average of those that learn, where one is wanted. */
  private readonly average?: Decoder;
  private readonly validating: ValidationStep;

  constructor(
    protected readonly parts: DecoderTaskParts,
    optimizing: OptimizerConfig & { readonly averageDecay: number },
  ) {
    const { decoder, slots } = parts;
    if (optimizing.averageDecay > 0) this.average = averageOf(decoder, slots);
    const averages = this.average && { averages: this.average.variables };
    this.optimizer = new Adam(trainableVariables(decoder.variables), { ...optimizing, ...averages }, slots);
    this.validating = new ValidationStep(this.judged);
  }

  /** The decoder that is judged and kept. */
  private get judged(): Decoder {
    return this.average ?? this.parts.decoder;
  }

  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { validation, graphs } = this.parts;
    if (validation.empty) return {};
    const loss = await validation.loss(this.validating, signal);
    const scores = await validation.scores(graphs, weightsOf(this.judged.variables), signal);
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
    const checkpoint = { config, vocabulary, graphs };
    const about = { card: modelCard(config), history: history.bytes(), encoder };
    const folders = runFolders(out);
    if (best) saveCheckpoint(folders.best, { ...checkpoint, weights: weightsOf(this.judged.variables) }, about);
    const slots = weightsOf({
      ...this.optimizer.slots,
      ...(this.average && withPrefix(prefix, this.average.variables)),
    });
    const last = { ...checkpoint, weights: weightsOf(decoder.variables) };
    saveCheckpoint(folders.last, last, { ...about, resume: { slots, state } });
  }

  dispose(): void {
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.decoder.dispose();
    this.average?.dispose();
  }
}

/** Names of the averages among what resuming needs. */
const prefix = 'average/';

/** A decoder for the moving average of another one's weights: as it was saved, or, to begin with, its weights. */
function averageOf({ config, sizes, variables }: Decoder, slots: Weights = new Map()): Decoder {
  const weights = [...weightsOf(variables)].map(([name, now]): [string, { data: Float32Array }] => [
    name,
    slots.get(prefix + name) ?? now,
  ]);
  return new Decoder(config, sizes, { weights: new Map(weights) });
}
