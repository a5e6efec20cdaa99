import * as tf from '@tensorflow/tfjs-core';
import type { FinetuneConfig } from '../../config.js';
import { sha256OfBytes } from '../../files/checksum.js';
import { viewsOf } from '../../data/features/store.js';
import { saveCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import type { Decoder } from '../../model/decoder/decoder.js';
import { describeEncoder } from '../../model/encoder/encoder-source.js';
import { Encoder } from '../../model/encoder/encoder.js';
import { exportEncoder } from '../../model/encoder/export-encoder.js';
import type { Weights } from '../../files/safetensors.js';
import type { TrainableEncoder } from '../../model/encoder/trainable-encoder.js';
import { weightsOf, withPrefix } from '../../model/variables.js';
import type { Vocabulary } from '../../text/vocabulary.js';
import { modelCard } from '../../publish/card.js';
import { featuresOf } from './dev-features.js';
import type { History } from '../loop/history.js';
import { Adam } from '../loop/optimizer.js';
import {
  PhotoReader,
  planPhotos,
  type PhotoBatch,
  type PhotoPlan,
  type PhotoWithCaptions,
} from '../batches/photo-batches.js';
import { runFolders } from '../loop/run-folder.js';
import { learningRateAt } from '../loop/schedule.js';
import { trainableVariables, TrainingStep, ValidationStep, type PhotoPath } from '../decoder/training-step.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';
import { Validation } from '../decoder/validation.js';

export interface FinetuneTaskParts {
  readonly out: string;
  /** What its checkpoints say of it; encoder, scores and how far it was trained are filled in. */
  readonly config: CheckpointConfig & { readonly finetuned: NonNullable<CheckpointConfig['finetuned']> };
  readonly encoder: TrainableEncoder;
  /** The encoder's name from now on. */
  readonly encoderName: string;
  readonly decoder: Decoder;
  readonly vocabulary: Vocabulary;
  readonly graphs: ReadonlyMap<string, Uint8Array>;
  readonly photos: readonly PhotoWithCaptions[];
  readonly dev: readonly (PhotoWithCaptions & { readonly references: readonly string[] })[];
  /** Lengths that captions are padded to; the last is that of the longest, in train and dev. */
  readonly buckets: readonly number[];
  readonly history: History;
  /** Of the optimiser, to go on from. */
  readonly slots?: Weights;
  /** Told, once, why a photo can't be decoded. */
  readonly skip: (reason: string) => void;
}

/** Names of the encoder's weights among those of both networks. */
const prefix = 'encoder/';

/** The photos of a batch go through the encoder once, and each one's features to all of its captions. */
const encodedPhotos = (encoder: TrainableEncoder): PhotoPath<PhotoBatch> => ({
  inputs: ({ photos, rows }) => ({
    photos: tf.tensor4d(photos, [
      photos.length / (3 * encoder.inputSize ** 2),
      3,
      encoder.inputSize,
      encoder.inputSize,
    ]),
    rows: tf.tensor1d(rows, 'int32'),
  }),
  features: ({ photos, rows }) => tf.gather(encoder.features(photos as tf.Tensor4D), rows as tf.Tensor1D), // [B, D]
});

/** The encoder's weights in what {@link FinetuneTask.save} writes for resuming. */
export function encoderWeights(slots: Weights): Weights {
  return new Map(
    [...slots].flatMap(([name, weight]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), weight]] : [])),
  );
}

/** Learning to caption photos with encoder and decoder as one network, as the trainer sees it. */
export class FinetuneTask implements TrainingTask<PhotoPlan> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly config: FinetuneConfig;
  private readonly optimizer: Adam;
  private readonly training: TrainingStep<PhotoBatch>;
  private readonly validating: ValidationStep;
  private readonly reader: PhotoReader;
  private readonly skip: (id: string, reason: string) => void;
  /** Captions of a batch. */
  private readonly rows: number;
  private plans: readonly PhotoPlan[] = [];

  constructor(private readonly parts: FinetuneTaskParts) {
    const { encoder, decoder, photos, slots } = parts;
    const config = (this.config = parts.config.finetuned.config);
    const { photosPerBatch, captionsPerPhoto, learningRate, encoderLearningRate } = config;
    this.epochs = config.epochs;
    this.batchesPerEpoch = Math.ceil(photos.length / photosPerBatch);
    const captions = photos.reduce((most, photo) => Math.max(most, photo.captions.length), 0);
    this.rows = photosPerBatch * Math.min(captionsPerPhoto, captions);
    const share = (name: string) => (name.startsWith(prefix) ? encoderLearningRate / learningRate : 1);
    const variables = { ...withPrefix(prefix, encoder.variables), ...decoder.variables };
    this.optimizer = new Adam(trainableVariables(variables), { ...config, share }, slots);
    const path = encodedPhotos(encoder);
    this.training = new TrainingStep(decoder, path, this.optimizer, { ...config, batchSize: this.rows });
    this.validating = new ValidationStep(decoder);
    const skipped = new Set<string>();
    this.skip = (id, reason) => {
      if (!skipped.has(id)) parts.skip(reason);
      skipped.add(id);
    };
    this.reader = new PhotoReader(encoder.inputSize, encoder.normalisation, this.rows, config, this.skip);
  }

  get history(): History {
    return this.parts.history;
  }

  plan(epoch: number): readonly PhotoPlan[] {
    this.plans = planPhotos(this.parts.photos, this.parts.buckets, epoch, this.config);
    return this.plans;
  }

  async step(plan: PhotoPlan, step: number): Promise<StepResult> {
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, this.config);
    const batch = await this.reader.read(plan, step, this.plans[this.plans.indexOf(plan) + 1]);
    return { ...(await this.training.learn(batch, step, learningRate)), learningRate, count: batch.words };
  }

  /** The dev photos go through the encoder as it would be saved, on ONNX Runtime. */
  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { dev, vocabulary, buckets, graphs, decoder, encoderName, config: checkpoint } = this.parts;
    if (dev.length === 0) return {};
    // They are seen as the captioner will see photos; those to learn from, in one random view each.
    const views = viewsOf(checkpoint.encoder);
    const encoder = await Encoder.open(describeEncoder(this.exported(), encoderName), { views });
    try {
      const features = await featuresOf(dev, encoder, this.skip, signal);
      const photos = dev.filter(({ id }) => features.has(id));
      if (photos.length === 0) return {};
      const references = photos.map((photo) => photo.references);
      const config = { maxLength: this.config.maxLength, batchSize: this.rows };
      const validation = new Validation({ photos, references, features, vocabulary }, buckets, config);
      const loss = await validation.loss(this.validating, signal);
      const scores = await validation.scores(graphs, weightsOf(decoder.variables), signal);
      return { loss, perplexity: Math.exp(loss), ...scores };
    } finally {
      await encoder.release();
    }
  }

  /** CIDEr on the dev photos; without any, what brings the training loss down. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return scores.CIDEr ?? -loss;
  }

  save(state: TrainerState, best: boolean): void {
    const { out, vocabulary, graphs, decoder, encoder, encoderName, history } = this.parts;
    const bytes = this.exported();
    const config: CheckpointConfig = {
      ...this.parts.config,
      encoder: {
        ...this.parts.config.encoder,
        name: encoderName,
        sha256: sha256OfBytes(bytes),
        dimension: encoder.dimension,
      },
      finetuned: { ...this.parts.config.finetuned, trained: { epochs: state.epoch, steps: state.step } },
      scores: best ? state.bestScores : {},
    };
    const checkpoint = { config, vocabulary, graphs, weights: weightsOf(decoder.variables) };
    const about = { card: modelCard(config), history: history.bytes(), encoder: bytes };
    const folders = runFolders(out);
    if (best) saveCheckpoint(folders.best, checkpoint, about);
    // The encoder's file may hold its weights rounded: what goes on needs them as they are.
    const slots = weightsOf({ ...this.optimizer.slots, ...withPrefix(prefix, encoder.variables) });
    saveCheckpoint(folders.last, checkpoint, { ...about, resume: { slots, state } });
  }

  async dispose(): Promise<void> {
    await this.reader.close();
    this.training.dispose();
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.decoder.dispose();
    this.parts.encoder.dispose();
  }

  private exported(): Uint8Array {
    return exportEncoder(this.parts.encoder, this.parts.encoderName);
  }
}
