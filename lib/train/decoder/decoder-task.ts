import type { TrainingConfig } from '../../config.js';
import type { Weights } from '../../files/safetensors.js';
import { saveCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import type { Prediction } from '../../metrics/predictions.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { weightsOf, withPrefix } from '../../model/variables.js';
import { modelCard } from '../../publish/card.js';
import type { StoredData } from '../batches/caption-data.js';
import { Adam, type OptimizerConfig } from '../loop/optimizer.js';
import { trainableVariables } from '../loop/scalar-step.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';
import type { CaptionerRun } from '../loop/training-run.js';
import { goalOf } from './goal.js';
import { ValidationStep } from './training-step.js';
import { Validation } from './validation.js';

/** A decoder to be trained, with the files that its checkpoints keep unchanged. */
export interface DecoderNetwork {
  readonly decoder: Decoder;
  /** The decoder's ONNX files, without weights. */
  readonly graphs: ReadonlyMap<string, Uint8Array>;
  /** The ONNX file of the encoder, if the checkpoint includes it. */
  readonly encoder: Uint8Array | undefined;
}

/** The parts of a {@link DecoderTask}. */
export interface DecoderTaskParts {
  readonly run: CaptionerRun;
  /** The `config.json` of its checkpoints; scores and progress are filled in. */
  readonly config: CheckpointConfig;
  readonly data: StoredData;
  readonly network: DecoderNetwork;
}

/** The training of a decoder on stored features: how it is judged after an epoch, and saved. */
export abstract class DecoderTask<Plan> implements TrainingTask<Plan> {
  abstract readonly unit: TrainingTask<Plan>['unit'];
  abstract readonly epochs: number;
  abstract readonly batchesPerEpoch: number;
  abstract plan(epoch: number): readonly Plan[];
  abstract step(plan: Plan, step: number): Promise<StepResult>;
  /** The record in a checkpoint of how far it was trained. */
  protected abstract trained(state: TrainerState): Partial<CheckpointConfig>;

  protected readonly optimizer: Adam;
  /** A decoder with the moving average of the trained weights, if averaging is on. */
  private readonly average?: Decoder;
  private readonly validation: Validation;
  private readonly validating: ValidationStep;

  /** @param config of the optimiser, and of the batches of dev captions. */
  constructor(
    protected readonly parts: DecoderTaskParts,
    config: OptimizerConfig & Pick<TrainingConfig, 'averageDecay' | 'batchSize' | 'maxLength'>,
  ) {
    const { decoder } = parts.network;
    const slots = parts.run.past?.slots;
    if (config.averageDecay > 0) this.average = averageOf(decoder, slots);
    const averages = this.average && { averages: this.average.variables };
    this.optimizer = new Adam(trainableVariables(decoder.variables), { ...config, ...averages }, slots);
    this.validation = new Validation(parts.data, config);
    this.validating = new ValidationStep(this.judged);
  }

  /** The decoder that is judged and kept. */
  private get judged(): Decoder {
    return this.average ?? this.parts.network.decoder;
  }

  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { validation } = this;
    if (validation.empty) return {};
    const loss = await validation.loss(this.validating, signal);
    const scores = await validation.scores(this.parts.network.graphs, weightsOf(this.judged.variables), signal);
    return { loss, perplexity: Math.exp(loss), ...scores };
  }

  samples(): readonly Prediction[] {
    return this.validation.samples;
  }

  /** CIDEr on the dev photos; without any, minus the training loss. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return goalOf({ scores, loss }, 'CIDEr');
  }

  save(state: TrainerState, best: boolean): void {
    const { run, data, network } = this.parts;
    const { decoder, graphs, encoder } = network;
    const config: CheckpointConfig = {
      ...this.parts.config,
      ...this.trained(state),
      scores: best ? state.bestScores : {},
    };
    const checkpoint = { config, vocabulary: data.vocabulary, graphs };
    const about = { card: modelCard(config), history: run.history.bytes(), encoder };
    const { best: bestFolder, last: lastFolder } = run.folders;
    if (best) saveCheckpoint(bestFolder, { ...checkpoint, weights: weightsOf(this.judged.variables) }, about);
    const slots = weightsOf({
      ...this.optimizer.slots,
      ...(this.average && withPrefix(prefix, this.average.variables)),
    });
    const last = { ...checkpoint, weights: weightsOf(decoder.variables) };
    saveCheckpoint(lastFolder, last, { ...about, resume: { slots, state } });
  }

  dispose(): void {
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.network.decoder.dispose();
    this.average?.dispose();
  }
}

/** The prefix of the averages' names among the optimiser's arrays. */
const prefix = 'average/';

/** A decoder for the moving average of another decoder's weights: as it was saved, or a copy of them. */
function averageOf({ config, sizes, variables }: Decoder, slots: Weights = new Map()): Decoder {
  const weights = [...weightsOf(variables)].map(([name, now]): [string, { data: Float32Array }] => [
    name,
    slots.get(prefix + name) ?? now,
  ]);
  return new Decoder(config, sizes, { weights: new Map(weights) });
}
