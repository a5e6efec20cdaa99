import * as tf from '@tensorflow/tfjs-core';
import type { PhotoFile } from '../../data/features/photo-file.js';
import type { FeatureStatistics } from '../../data/features/statistics.js';
import { readRows, type FeatureStore } from '../../data/features/store.js';
import { replaceFolder } from '../../files/folder.js';
import { safetensorsParts } from '../../files/safetensors.js';
import { decodePhoto, normalise } from '../../images/photo.js';
import type { ConvNet } from '../../model/encoder/convnet.js';
import { exportConvNet } from '../../model/encoder/export-convnet.js';
import { imagenet } from '../../config.js';
import { weightsOf } from '../../model/variables.js';
import { Random } from '../../random.js';
import { Prefetcher } from '../batches/prefetcher.js';
import { LearningStep } from '../loop/learning-step.js';
import { Adam } from '../loop/optimizer.js';
import { trainableVariables } from '../loop/scalar-step.js';
import { learningRateAt } from '../loop/schedule.js';
import type { StepResult, TrainerState, TrainingTask } from '../loop/trainer.js';
import type { TrainingRun } from '../loop/training-run.js';
import type { TeacherViews } from './distill-data.js';
import { runFiles, type DistillationRun, type PastDistillation } from './distill-run.js';
import type { TeacherComparison } from './teacher-comparison.js';

/** The photos of a run, as its teacher sees them. */
export interface DistillationData {
  readonly views: TeacherViews;
  /** Train photos that can be decoded, in the views of the first round. */
  readonly photos: readonly PhotoFile[];
  readonly devPhotos: number;
  /** Statistics of the teacher's features of the train photos. */
  readonly statistics: FeatureStatistics;
  readonly comparison: TeacherComparison;
}

/** The parts of a {@link DistillTask}. */
export interface DistillTaskParts {
  readonly run: Pick<TrainingRun<DistillationRun['training'], PastDistillation>, 'past' | 'folders' | 'history'>;
  /** The `config.json` of the run; scores and progress are filled in. */
  readonly config: DistillationRun;
  readonly data: DistillationData;
  readonly network: ConvNet;
}

type Batch = readonly PhotoFile[];

/** Learning the features of a teacher. */
export class DistillTask implements TrainingTask<Batch> {
  readonly unit = 'photos';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  private readonly optimizer: Adam;
  private readonly steps: LearningStep;
  private readonly ahead = new Prefetcher<Batch, Uint8Array[]>();
  private readonly pixels: Float32Array;
  /** Batches of the current epoch. */
  private batches: readonly Batch[] = [];
  private features?: FeatureStore;

  constructor(private readonly parts: DistillTaskParts) {
    const { network, data, run } = parts;
    const { training, network: shape } = parts.config;
    const { batchSize: B } = training;
    const { inputSize } = shape;
    this.epochs = training.epochs;
    this.batchesPerEpoch = Math.max(1, Math.floor(data.photos.length / B));
    const variables = trainableVariables(network.variables);
    this.optimizer = new Adam(variables, { ...training, optimizer: 'adam' }, run.past?.slots);
    this.pixels = new Float32Array(B * 3 * inputSize ** 2);
    this.steps = new LearningStep(this.optimizer, (inputs) => distillationLoss(network, inputs, training.cosineWeight));
  }

  async plan(epoch: number): Promise<readonly Batch[]> {
    const { seed, batchSize } = this.parts.config.training;
    const { photos, features } = await this.parts.data.views.round(epoch);
    const shuffled = new Random(seed, epoch, 2).shuffle([...photos]);
    this.features = features;
    this.batches = Array.from({ length: this.batchesPerEpoch }, (_, i) =>
      Array.from({ length: batchSize }, (_, k) => shuffled[(i * batchSize + k) % shuffled.length]),
    );
    return this.batches;
  }

  async step(batch: Batch, step: number): Promise<StepResult> {
    const { network, config } = this.parts;
    const { inputSize: S } = config.network;
    const { batchSize: B } = config.training;
    const at = this.batches.indexOf(batch);
    const decoding = this.ahead.take(batch, () => this.decode(batch));
    for (const next of this.batches.slice(at + 1, at + 3)) this.ahead.begin(next, () => this.decode(next));
    const { mean, std } = imagenet;
    (await decoding).forEach((rgb, i) => normalise(rgb, S, mean, std, this.pixels, i * 3 * S * S));
    const ids = batch.map(({ id }) => id);
    const targets = readRows(this.features!, ids); // [B, D]
    const learningRate = learningRateAt(step, this.epochs * this.batchesPerEpoch, config.training);
    const inputs = {
      photos: tf.tensor4d(this.pixels, [B, 3, S, S]),
      targets: tf.tensor2d(targets, [B, network.dimension]),
    };
    const result = await this.steps.learn(inputs, step + 1, learningRate);
    return { ...result, learningRate, count: B };
  }

  validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>> {
    return this.parts.data.comparison.scores(this.exported(), signal);
  }

  goal({ cosine }: Readonly<Record<string, number>>): number {
    return cosine;
  }

  save(state: TrainerState, best: boolean): void {
    const { run, network } = this.parts;
    const { batchSize } = this.parts.config.training;
    const config: DistillationRun = {
      ...this.parts.config,
      trained: { epochs: state.epoch, steps: state.step, crops: state.step * batchSize },
      scores: best ? state.bestScores : {},
    };
    const about = {
      [runFiles.config]: `${JSON.stringify(config, null, 2)}\n`,
      [runFiles.encoder]: this.exported(),
      'history.jsonl': run.history.bytes(),
    };
    if (best) replaceFolder(run.folders.best, about);
    replaceFolder(run.folders.last, {
      ...about,
      [runFiles.weights]: safetensorsParts(weightsOf(network.variables)),
      'optimizer.safetensors': safetensorsParts(weightsOf(this.optimizer.slots)),
      'state.json': `${JSON.stringify(state, null, 2)}\n`,
    });
  }

  /** The network as an ONNX file. */
  private exported(): Uint8Array {
    const { network, config } = this.parts;
    return exportConvNet(network, config.name, config.network.inputSize);
  }

  /** RGB bytes, [S, S, 3] each. */
  private decode(batch: Batch): Promise<Uint8Array[]> {
    const size = this.parts.config.network.inputSize;
    return Promise.all(batch.map(({ file, view }) => decodePhoto(file, size, view && { view })));
  }

  dispose(): void {
    this.steps.dispose();
    this.optimizer.dispose();
    this.parts.network.dispose();
  }
}

/**
 * The distance of the student's features from the teacher's, both standardised: the mean squared error, and 1 - the cosine.
 * @param inputs photos [N, 3, S, S] and targets [N, D], the teacher's raw features.
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
