import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import type { ConvNetConfig, DistillationConfig } from '../../config.js';
import type { PhotoFile } from '../../data/features/photo-file.js';
import type { FeatureStore } from '../../data/features/store.js';
import { decodePhoto, normalise } from '../../images/photo.js';
import type { ConvNet } from '../../model/encoder/convnet.js';
import { imagenet } from '../../model/encoder/registry.js';
import type { Weights } from '../../files/safetensors.js';
import { Random } from '../../random.js';
import { Prefetcher } from '../batches/prefetcher.js';
import type { TeacherViews } from './distill-data.js';
import { Adam } from '../loop/optimizer.js';
import { learningRateAt } from '../loop/schedule.js';
import { readScalars, trainableVariables, type Tensors } from '../decoder/training-step.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';

export interface DistillTaskParts {
  readonly network: ConvNet;
  readonly teacher: TeacherViews;
  readonly config: DistillationConfig;
  readonly inputSize: ConvNetConfig['inputSize'];
  /** Train photos that the teacher has seen. */
  readonly trainPhotos: number;
  /** Of the optimiser, to go on from. */
  readonly slots?: Weights;
  /** How like the teacher the network is on the dev photos. */
  readonly validate: (signal?: AbortSignal) => Promise<Readonly<Record<string, number>>>;
  readonly save: (state: TrainerState, best: boolean, optimizer: Adam) => void;
}

type Batch = readonly PhotoFile[];

/** Learning the features of a teacher, as the trainer sees it. */
export class DistillTask implements TrainingTask<Batch> {
  readonly unit = 'photos';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly optimizer: Adam;
  private readonly run: CompiledStep<Tensors, { loss: tf.Tensor; gradientNorm: tf.Tensor }>;
  private readonly ahead = new Prefetcher<Batch, Uint8Array[]>();
  private readonly pixels: Float32Array;
  private readonly targets: Float32Array;
  /** Of the current epoch. */
  private batches: readonly Batch[] = [];
  private features?: FeatureStore;

  constructor(private readonly parts: DistillTaskParts) {
    const { network, config, inputSize, trainPhotos, slots } = parts;
    const { batchSize: B } = config;
    this.epochs = config.epochs;
    this.batchesPerEpoch = Math.max(1, Math.floor(trainPhotos / B));
    this.optimizer = new Adam(trainableVariables(network.variables), { ...config, optimizer: 'adam' }, slots);
    this.pixels = new Float32Array(B * 3 * inputSize ** 2);
    this.targets = new Float32Array(B * network.dimension);
    this.run = compile((inputs: Tensors) =>
      this.optimizer.minimize(() => distillationLoss(network, inputs, config.cosineWeight), inputs),
    );
  }

  async plan(epoch: number): Promise<readonly Batch[]> {
    const { teacher, config } = this.parts;
    const { photos, features } = await teacher.round(epoch);
    const shuffled = new Random(config.seed, epoch, 2).shuffle([...photos]);
    this.features = features;
    this.batches = Array.from({ length: this.batchesPerEpoch }, (_, i) =>
      Array.from({ length: config.batchSize }, (_, k) => shuffled[(i * config.batchSize + k) % shuffled.length]),
    );
    return this.batches;
  }

  async step(batch: Batch, step: number): Promise<StepResult> {
    const { config, inputSize: S, network } = this.parts;
    const { batchSize: B } = config;
    const at = this.batches.indexOf(batch);
    const decoding = this.ahead.take(batch, () => this.decode(batch));
    for (const next of this.batches.slice(at + 1, at + 3)) this.ahead.begin(next, () => this.decode(next));
    const { mean, std } = imagenet;
    (await decoding).forEach((rgb, i) => normalise(rgb, S, mean, std, this.pixels, i * 3 * S * S));
    batch.forEach(({ id }, i) => this.features!.read(id, this.targets, i * network.dimension));
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, config);
    const result = await readScalars(this.run, {
      photos: tf.tensor4d(this.pixels, [B, 3, S, S]),
      targets: tf.tensor2d(this.targets, [B, network.dimension]),
      ...this.optimizer.inputs(step + 1, learningRate),
    });
    return { ...result, learningRate, count: B };
  }

  validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    return this.parts.validate(signal);
  }

  goal({ cosine }: Readonly<Record<string, number>>): number {
    return cosine;
  }

  save(state: TrainerState, best: boolean): void {
    this.parts.save(state, best, this.optimizer);
  }

  /** RGB bytes, [S, S, 3] each. */
  private decode(batch: Batch): Promise<Uint8Array[]> {
    const size = this.parts.inputSize;
    return Promise.all(batch.map(({ file, view }) => decodePhoto(file, size, view && { view })));
  }

  dispose(): void {
    this.run.dispose();
    this.optimizer.dispose();
    this.parts.network.dispose();
  }
}

/**
 * How far the network's features are from the teacher's, both standardised: the mean squared error, and 1 - the cosine.
 * @param inputs photos [N, 3, S, S] and targets [N, D], the teacher's features as they are.
 */
function distillationLoss(
  network: ConvNet,
  { photos, targets }: Readonly<Record<string, tf.Tensor>>,
  cosineWeight: number,
): tf.Scalar {
  const { 'features/mean': mean, 'features/std': std } = network.variables;
  const wanted = tf.div(tf.sub(targets, mean), std); // [N, D]
  const given = network.learn(photos as tf.Tensor4D); // [N, D]
  const error = tf.mean(tf.square(tf.sub(given, wanted)));
  const squares = (x: tf.Tensor) => tf.sum(tf.square(x), 1); // [N]
  const cosine = tf.mul(
    tf.sum(tf.mul(given, wanted), 1),
    tf.rsqrt(tf.add(tf.mul(squares(given), squares(wanted)), 1e-8)),
  );
  return tf.add(error, tf.mul(tf.sub(1, tf.mean(cosine)), cosineWeight));
}
