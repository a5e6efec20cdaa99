import * as tf from '@tensorflow/tfjs-core';
import path from 'node:path';
import { useBackend } from '../../backend/index.js';
import { ConvNetConfig, DistillationConfig, parseConfig } from '../../config.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import type { PhotoEncoder } from '../../data/features/extraction.js';
import type { PhotoFile } from '../../data/features/photo-file.js';
import { featureStatistics } from '../../data/features/statistics.js';
import { plainIdentity } from '../../data/features/encoder-identity.js';
import { CaptionerError } from '../../errors.js';
import { decodePhoto, normalise } from '../../images/photo.js';
import { libraryVersion } from '../../files/package.js';
import { ConvNet } from '../../model/encoder/convnet.js';
import { imagenet } from '../../config.js';
import { Random } from '../../random.js';
import type { TrainerState } from '../loop/trainer.js';
import { TrainingRun, type RunOptions } from '../loop/training-run.js';
import { distillationPhotos, TeacherViews } from './distill-data.js';
import {
  checkFits,
  openStartingNetwork,
  readPastDistillation,
  refuseOther,
  runFiles,
  valuesOf,
  type DistillationRun,
  type PastDistillation,
  type StartingNetwork,
} from './distill-run.js';
import { DistillTask, type DistillationData } from './distill-task.js';
import { TeacherComparison } from './teacher-comparison.js';

/** Options of {@link distill}; its folder also receives the teacher's features, in `teacher`. */
export interface DistillationOptions extends RunOptions {
  /** Photos, with or without captions: see `distillationPhotos`. */
  readonly manifests: readonly Manifest[];
  readonly teacher: PhotoEncoder;
  /** The encoder's name, recorded with features that it makes. Default: `convnet`. */
  readonly name?: string;
  readonly network?: Partial<ConvNetConfig>;
  /**
   * Folder of another such run, or the ONNX file of its encoder, whose network this one starts from: for photos of another size, more
   * blocks, or more epochs.
   */
  readonly from?: string;
  readonly training?: Partial<DistillationConfig>;
}

/** The result of {@link distill}. */
export interface DistillationOutcome {
  /** The ONNX file of the best epoch. */
  readonly encoder: string;
  readonly state: TrainerState;
}

type Run = TrainingRun<DistillationConfig, PastDistillation>;

/**
 * Trains a compact convolutional network (the student) to reproduce the features of a pretrained one (the teacher): knowledge
 * distillation (Hinton, Vinyals and Dean 2015) of the features, on random views of photos that are the same for both (Beyer et al.
 * 2022). It needs no captions or labels. After each epoch the network is exported and compared with the teacher on the whole dev
 * photos; the epoch with the highest cosine is kept as `best`.
 *
 * A run that was stopped can be resumed, and ends in the same weights as one that was not.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no photos, a folder in use), `mismatch` (a run that was begun differently),
 *   `numeric`, `interrupted`.
 */
export async function distill(options: DistillationOptions): Promise<DistillationOutcome> {
  const { manifests, teacher, out, from } = options;
  const past = readPastDistillation(out, options.resume ?? false);
  const start = past || from === undefined ? undefined : await openStartingNetwork(from);
  const network = parseConfig(ConvNetConfig, { ...(past?.config ?? start)?.network, ...options.network });
  if (start) checkFits(from!, start, network);
  const training = parseConfig(DistillationConfig, { ...past?.config.training, ...options.training });
  if (past) refuseOther(out, past.config, { network, training, teacher });
  const run: Run = new TrainingRun(options, training, past);

  const { progress, signal } = options;
  const reporting = { progress, signal, warn: run.warn };
  const views = new TeacherViews(
    path.join(out, 'teacher'),
    teacher,
    distillationPhotos(manifests),
    training,
    reporting,
  );
  try {
    const data = await prepareData(views, network.inputSize);
    const config = runConfig(run, start, data, network, options);
    const convNet = await startNetwork(run, start, data, network);
    const state = await run.execute(new DistillTask({ run, config, data, network: convNet }));
    return { encoder: path.join(run.folders.best, runFiles.encoder), state };
  } finally {
    views.close();
  }
}

/** The first round of views, and the dev photos to compare student and teacher by. */
async function prepareData(views: TeacherViews, inputSize: number): Promise<DistillationData> {
  const dev = await views.dev();
  const first = await views.round(0);
  if (first.photos.length === 0) throw new CaptionerError('bad-input', 'None of the photos can be decoded.');
  const statistics = featureStatistics(first.features, first.photos);
  const comparison = await TeacherComparison.open(dev, statistics, inputSize);
  return { views, photos: first.photos, devPhotos: dev.photos.length, statistics, comparison };
}

/** The `config.json` of the run. */
function runConfig(
  { past, config: training }: Run,
  start: StartingNetwork | undefined,
  data: DistillationData,
  network: ConvNetConfig,
  { manifests, teacher, name = 'convnet' }: DistillationOptions,
): DistillationRun {
  return {
    kind: 'distillation',
    captioner: libraryVersion(),
    name,
    teacher: plainIdentity(teacher.identity),
    network,
    from: past ? past.config.from : start?.from,
    training,
    data: {
      names: manifests.map((manifest) => manifest.name),
      photos: data.photos.length,
      devPhotos: data.devPhotos,
    },
    trained: { epochs: 0, steps: 0, crops: 0 },
    scores: {},
  };
}

/** The student as it stopped, as the run it starts from has it, or new. */
async function startNetwork(
  { past, config: { seed, backend } }: Run,
  start: StartingNetwork | undefined,
  { photos, statistics: { mean, std, minimum } }: DistillationData,
  config: ConvNetConfig,
): Promise<ConvNet> {
  await useBackend(backend);
  const given = new Map(past ? valuesOf(past.weights) : start?.weights(std));
  // The head ends in ReLU: its offset lets it reach features below zero.
  const offset = minimum.map((x) => Math.min(0, x));
  if (!past) given.set('features/mean', mean).set('features/std', std).set('head/offset', offset);
  // A new head begins at the mean of each feature, where ReLU passes gradients.
  if (!past && !start)
    given.set(
      'head/bias',
      Float32Array.from(mean, (x, i) => (x - offset[i]) / std[i]),
    );
  const network = new ConvNet(config, mean.length, { random: new Random(seed), given });
  if (start?.uncalibrated) await calibrate(network, photos, config.inputSize, seed);
  return network;
}

/** Photos that set the means and variances of a network's normalisations. */
const CALIBRATION_PHOTOS = 256;

/** Sets the means and variances of an imported network's normalisations from some of the photos. */
async function calibrate(network: ConvNet, photos: readonly PhotoFile[], size: number, seed: number): Promise<void> {
  const some = new Random(seed, 0, 3).shuffle([...photos]).slice(0, CALIBRATION_PHOTOS);
  const pixels = new Float32Array(some.length * 3 * size ** 2); // [N, 3, S, S]
  const { mean, std } = imagenet;
  for (const [i, { file, view }] of some.entries()) {
    const rgb = await decodePhoto(file, size, view && { view });
    normalise(rgb, size, mean, std, pixels, i * 3 * size ** 2);
  }
  const batch = tf.tensor4d(pixels, [some.length, 3, size, size]);
  network.calibrate(batch);
  batch.dispose();
}
