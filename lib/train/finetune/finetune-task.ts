import * as tf from '@tensorflow/tfjs-core';
import type { FinetuneConfig } from '../../config.js';
import { sha256OfBytes } from '../../files/checksum.js';
import { viewsOf } from '../../data/features/encoder-identity.js';
import { saveCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import type { Prediction } from '../../metrics/predictions.js';
import type { Decoder } from '../../model/decoder/decoder.js';
import { describeEncoder } from '../../model/encoder/encoder-source.js';
import { Encoder } from '../../model/encoder/encoder.js';
import { exportEncoder } from '../../model/encoder/export-encoder.js';
import type { Weights } from '../../files/safetensors.js';
import type { TrainableEncoder } from '../../model/encoder/trainable-encoder.js';
import { weightsOf, withPrefix } from '../../model/variables.js';
import { modelCard } from '../../publish/card.js';
import { featuresOf } from './dev-features.js';
import { Adam } from '../loop/optimizer.js';
import { longest, PhotoReader, planPhotos, type PhotoBatch, type PhotoPlan } from '../batches/photo-batches.js';
import { learningRateAt } from '../loop/schedule.js';
import { trainableVariables } from '../loop/scalar-step.js';
import type { CaptionerRun } from '../loop/training-run.js';
import { TrainingStep, ValidationStep, type PhotoPath } from '../decoder/training-step.js';
import { bucketLengths, examplesOf } from '../batches/batches.js';
import type { CaptionData } from '../batches/caption-data.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';
import { goalOf } from '../decoder/goal.js';
import { Validation } from '../decoder/validation.js';

/** Encoder and decoder to be trained as one network. */
export interface FinetuneNetwork {
  readonly encoder: TrainableEncoder;
  readonly decoder: Decoder;
  /** The decoder's ONNX files, without weights. */
  readonly graphs: ReadonlyMap<string, Uint8Array>;
}

/** The parts of a {@link FinetuneTask}. */
export interface FinetuneTaskParts {
  readonly run: CaptionerRun;
  /** The `config.json` of its checkpoints; encoder, scores and progress are filled in. */
  readonly config: CheckpointConfig & { readonly finetuned: NonNullable<CheckpointConfig['finetuned']> };
  readonly data: CaptionData;
  readonly network: FinetuneNetwork;
}

/** The prefix of the encoder's weights among those of both networks. */
const prefix = 'encoder/';

/** The path on which each photo of a batch goes through the encoder once, and its features to all of its captions. */
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

/** The encoder's weights among the arrays that {@link FinetuneTask.save} writes for resuming. */
export function encoderWeights(slots: Weights): Weights {
  return new Map(
    [...slots].flatMap(([name, weight]) => (name.startsWith(prefix) ? [[name.slice(prefix.length), weight]] : [])),
  );
}

/** Learning to caption photos with encoder and decoder as one network. */
export class FinetuneTask implements TrainingTask<PhotoPlan> {
  readonly unit = 'tokens';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly config: FinetuneConfig;
  private readonly optimizer: Adam;
  private readonly training: TrainingStep<PhotoBatch>;
  private readonly validating: ValidationStep;
  private sampled: readonly Prediction[] = [];
  private readonly reader: PhotoReader;
  private readonly skipped = new Set<string>();
  /** The encoder's name in the checkpoints. */
  private readonly encoderName: string;
  /** Captions of a batch. */
  private readonly rows: number;
  /** Lengths that captions are padded to. */
  private readonly buckets: readonly number[];
  private plans: readonly PhotoPlan[] = [];

  constructor(private readonly parts: FinetuneTaskParts) {
    const { encoder, decoder } = parts.network;
    const { photos } = parts.data;
    const { config, from } = parts.config.finetuned;
    this.config = config;
    const { photosPerBatch, captionsPerPhoto, learningRate, encoderLearningRate } = config;
    this.encoderName = from.name.endsWith('-tuned') ? from.name : `${from.name}-tuned`;
    this.epochs = config.epochs;
    this.batchesPerEpoch = Math.ceil(photos.length / photosPerBatch);
    this.buckets = bucketLengths(
      photos.map((photo) => longest(examplesOf(photo, config.maxLength))),
      4,
    );
    const captions = photos.reduce((most, photo) => Math.max(most, photo.captions.length), 0);
    this.rows = photosPerBatch * Math.min(captionsPerPhoto, captions);
    const share = (name: string) => (name.startsWith(prefix) ? encoderLearningRate / learningRate : 1);
    const variables = { ...withPrefix(prefix, encoder.variables), ...decoder.variables };
    this.optimizer = new Adam(trainableVariables(variables), { ...config, share }, parts.run.past?.slots);
    const path = encodedPhotos(encoder);
    this.training = new TrainingStep(decoder, path, this.optimizer, { ...config, batchSize: this.rows });
    this.validating = new ValidationStep(decoder);
    this.reader = new PhotoReader(encoder.inputSize, encoder.normalisation, this.rows, config, this.skip);
  }

  /** Warns, once, of a photo that cannot be decoded. */
  private readonly skip = (id: string, reason: string): void => {
    if (!this.skipped.has(id)) this.parts.run.warn(`${reason} It is left out.`);
    this.skipped.add(id);
  };

  plan(epoch: number): readonly PhotoPlan[] {
    this.plans = planPhotos(this.parts.data.photos, this.buckets, epoch, this.config);
    return this.plans;
  }

  async step(plan: PhotoPlan, step: number): Promise<StepResult> {
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, this.config);
    const batch = await this.reader.read(plan, step, this.plans[this.plans.indexOf(plan) + 1]);
    return { ...(await this.training.learn(batch, step, learningRate)), learningRate, count: batch.words };
  }

  /** The dev photos go through the encoder as it would be saved, on ONNX Runtime. */
  async validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    const { dev, vocabulary } = this.parts.data;
    const { decoder, graphs } = this.parts.network;
    if (dev.length === 0) return {};
    // The dev photos are seen as the captioner will see photos; the train photos in one random view each.
    const views = viewsOf(this.parts.config.encoder);
    const encoder = await Encoder.open(describeEncoder(this.exported(), this.encoderName), { views });
    try {
      const features = await featuresOf(dev, encoder, this.skip, signal);
      const photos = dev.filter(({ id }) => features.has(id));
      if (photos.length === 0) return {};
      const config = { maxLength: this.config.maxLength, batchSize: this.rows };
      const validation = new Validation({ dev: photos, features, vocabulary }, config);
      const loss = await validation.loss(this.validating, signal);
      const scores = await validation.scores(graphs, weightsOf(decoder.variables), signal);
      this.sampled = validation.samples;
      return { loss, perplexity: Math.exp(loss), ...scores };
    } finally {
      await encoder.release();
    }
  }

  samples(): readonly Prediction[] {
    return this.sampled;
  }

  /** CIDEr on the dev photos; without any, minus the training loss. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number {
    return goalOf({ scores, loss }, 'CIDEr');
  }

  save(state: TrainerState, best: boolean): void {
    const { run, data, network } = this.parts;
    const { decoder, encoder, graphs } = network;
    const { views } = this.parts.config.encoder;
    const bytes = this.exported();
    const config: CheckpointConfig = {
      ...this.parts.config,
      // The file has its normalisation in its metadata.
      encoder: {
        name: this.encoderName,
        sha256: sha256OfBytes(bytes),
        dimension: encoder.dimension,
        ...(views && { views }),
      },
      finetuned: { ...this.parts.config.finetuned, trained: { epochs: state.epoch, steps: state.step } },
      scores: best ? state.bestScores : {},
    };
    const checkpoint = { config, vocabulary: data.vocabulary, graphs, weights: weightsOf(decoder.variables) };
    const about = { card: modelCard(config), history: run.history.bytes(), encoder: bytes };
    const { folders } = run;
    if (best) saveCheckpoint(folders.best, checkpoint, about);
    // The encoder's file may hold rounded weights; resuming needs the exact ones.
    const slots = weightsOf({ ...this.optimizer.slots, ...withPrefix(prefix, encoder.variables) });
    saveCheckpoint(folders.last, checkpoint, { ...about, resume: { slots, state } });
  }

  async dispose(): Promise<void> {
    await this.reader.close();
    this.training.dispose();
    this.validating.dispose();
    this.optimizer.dispose();
    this.parts.network.decoder.dispose();
    this.parts.network.encoder.dispose();
  }

  private exported(): Uint8Array {
    return exportEncoder(this.parts.network.encoder, this.encoderName);
  }
}
