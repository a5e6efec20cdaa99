import * as tf from '@tensorflow/tfjs-core';
import path from 'node:path';
import { useBackend } from '../../backend/index.js';
import { ConvNetConfig, DistillationConfig, parseConfig } from '../../config.js';
import type { PhotoEncoder } from '../../data/features/extraction.js';
import type { PhotoFile } from '../../data/features/photo-file.js';
import { plainIdentity, type FeatureStore } from '../../data/features/store.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import { CaptionerError } from '../../errors.js';
import { decodePhoto, normalise } from '../../images/photo.js';
import { libraryVersion } from '../../model/checkpoint/checkpoint.js';
import { ConvNet } from '../../model/encoder/convnet.js';
import { describeEncoder } from '../../model/encoder/encoder-source.js';
import { Encoder } from '../../model/encoder/encoder.js';
import { imagenet } from '../../model/encoder/registry.js';
import { exportConvNet } from '../../model/encoder/export-convnet.js';
import { replaceFolder } from '../../files/folder.js';
import { safetensorsParts } from '../../files/safetensors.js';
import { weightsOf } from '../../model/variables.js';
import { Random } from '../../random.js';
import { featureStatistics } from '../batches/tokenize-dataset.js';
import { distillationPhotos, TeacherViews } from './distill-data.js';
import { DistillTask } from './distill-task.js';
import {
  checkFits,
  runFiles,
  openStartingNetwork,
  openDistillation,
  refuseOther,
  valuesOf,
  type DistillationRun,
} from './distill-run.js';
import { History } from '../loop/history.js';
import { runFolders } from '../loop/run-folder.js';
import { runTask, type RunOptions } from '../loop/run-task.js';
import type { TrainerState } from '../loop/trainer.js';

export interface DistillationOptions extends RunOptions {
  /** Photos, with or without captions: see `distillationPhotos`. */
  readonly manifests: readonly Manifest[];
  readonly teacher: PhotoEncoder;
  /** Folder of the run: gets `best` and `last`, `history.jsonl`, and the teacher's features in `teacher`. */
  readonly out: string;
  /** What the features of the new encoder will say they come from. Default: `convnet`. */
  readonly name?: string;
  readonly network?: Partial<ConvNetConfig>;
  /**
   * Folder of another such run, or the ONNX file of its encoder, whose network this one begins with: for photos of another size, with
   * more blocks, or more epochs.
   */
  readonly from?: string;
  readonly training?: Partial<DistillationConfig>;
  /** Go on with the run in `out` where it stopped; start one where there is none. */
  readonly resume?: boolean;
  /** Told, in a sentence, what is odd and no error. */
  readonly warn?: (line: string) => void;
}

export interface DistillationOutcome {
  /** The ONNX file of the best epoch. */
  readonly encoder: string;
  readonly state: TrainerState;
}

/**
 * Trains a compact convolutional network to give the features of a pretrained one (its teacher): knowledge distillation (Hinton,
 * Vinyals and Dean 2015) of the features, on random views of photos that both see alike (Beyer et al. 2022). No captions or labels
 * are needed. After each epoch the network is exported and compared with the teacher on the dev photos, whole; the epoch with the
 * highest cosine is kept as `best`.
 *
 * Stopped in any way, it can go on, and ends in the weights of a run that was never stopped.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no photos, a folder in use), `mismatch` (a run that was begun differently),
 *   `numeric`, `interrupted`.
 */
export async function distill(options: DistillationOptions): Promise<DistillationOutcome> {
  const { manifests, teacher, out, name = 'convnet', warn = () => undefined, progress, signal } = options;
  const folders = runFolders(out);
  const past = openDistillation(folders.last, options.resume ?? false);
  const beginning = past || options.from === undefined ? undefined : await openStartingNetwork(options.from);
  const network = parseConfig(ConvNetConfig, { ...(past?.config ?? beginning)?.network, ...options.network });
  if (beginning) checkFits(options.from!, beginning, network);
  const training = parseConfig(DistillationConfig, { ...past?.config.training, ...options.training });
  if (past) refuseOther(out, past.config, { network, training, teacher });

  const photos = distillationPhotos(manifests);
  const views = new TeacherViews(path.join(out, 'teacher'), teacher, photos, training, { progress, signal, warn });
  try {
    const dev = await views.dev();
    const first = await views.round(0);
    if (first.photos.length === 0) throw new CaptionerError('bad-input', 'None of the photos can be decoded.');
    const compare = await comparison(dev.photos, dev.features, network.inputSize);
    const { mean, std } = featureStatistics(first.features, first.photos);

    await useBackend(training.backend);
    const given = new Map(past ? valuesOf(past.weights) : beginning?.weights(mean, std));
    if (!past) given.set('features/mean', mean).set('features/std', std);
    const convNet = new ConvNet(network, teacher.identity.dimension, { random: new Random(training.seed), given });
    if (beginning?.uncalibrated) await calibrate(convNet, first.photos, network.inputSize, training.seed);
    const exported = () => exportConvNet(convNet, name, network.inputSize);
    const history = new History(folders.history, past?.history);
    const task = new DistillTask({
      network: convNet,
      teacher: views,
      config: training,
      inputSize: network.inputSize,
      trainPhotos: first.photos.length,
      slots: past?.slots,
      validate: async (stop) => await compare(exported(), { mean, std }, stop),
      save: (state, best, optimizer) => {
        const config: DistillationRun = {
          kind: 'distillation',
          captioner: libraryVersion(),
          name,
          teacher: plainIdentity(teacher.identity),
          network,
          from: past ? past.config.from : beginning?.from,
          training,
          data: {
            names: manifests.map((manifest) => manifest.name),
            photos: first.photos.length,
            devPhotos: dev.photos.length,
          },
          trained: { epochs: state.epoch, steps: state.step, crops: state.step * training.batchSize },
          scores: best ? state.bestScores : {},
        };
        const about = {
          [runFiles.config]: `${JSON.stringify(config, null, 2)}\n`,
          [runFiles.encoder]: exported(),
          'history.jsonl': history.bytes(),
        };
        if (best) replaceFolder(folders.best, about);
        replaceFolder(folders.last, {
          ...about,
          [runFiles.weights]: safetensorsParts(weightsOf(convNet.variables)),
          'optimizer.safetensors': safetensorsParts(weightsOf(optimizer.slots)),
          'state.json': `${JSON.stringify(state, null, 2)}\n`,
        });
      },
    });
    try {
      const begun = { state: past?.state, resumed: past !== undefined };
      const state = await runTask(task, history, { patience: 0, saveEvery: training.saveEvery }, options, begun);
      return { encoder: path.join(folders.best, runFiles.encoder), state };
    } finally {
      task.dispose();
    }
  } finally {
    views.close();
  }
}

/** Photos by whose means and variances a network begins. */
const CALIBRATION_PHOTOS = 256;

/** Gives the normalisations of an imported network the means and variances of some of the photos. */
async function calibrate(network: ConvNet, photos: readonly PhotoFile[], size: number, seed: number): Promise<void> {
  const some = new Random(seed, 0, 3).shuffle([...photos]).slice(0, CALIBRATION_PHOTOS);
  const pixels = new Float32Array(some.length * 3 * size ** 2);
  const { mean, std } = imagenet;
  for (const [i, { file, view }] of some.entries()) {
    const rgb = await decodePhoto(file, size, view && { view });
    normalise(rgb, size, mean, std, pixels, i * 3 * size ** 2);
  }
  const batch = tf.tensor4d(pixels, [some.length, 3, size, size]);
  network.calibrate(batch);
  batch.dispose();
}

/** Dev photos between two looks at whether the run is to stop. */
const PHOTOS_AT_A_TIME = 32;

/**
 * Compares an encoder with the teacher on photos, both standardised by the statistics of the train photos' features.
 * @returns a function that gives `cosine`, the mean over photos, and `explained`, the share of the variance (R²).
 */
async function comparison(photos: readonly PhotoFile[], features: FeatureStore, size: number) {
  const decoded = await Promise.all(photos.map(({ file }) => decodePhoto(file, size)));
  const D = features.dimension;
  return async (
    model: Uint8Array,
    { mean, std }: { mean: Float32Array; std: Float32Array },
    signal?: AbortSignal,
  ): Promise<Record<string, number>> => {
    const encoder = await Encoder.open(describeEncoder(model, 'the network as exported'));
    const given = new Float32Array(photos.length * D);
    try {
      for (let first = 0; first < photos.length; first += PHOTOS_AT_A_TIME) {
        signal?.throwIfAborted();
        given.set(await encoder.features(decoded.slice(first, first + PHOTOS_AT_A_TIME)), first * D);
      }
    } finally {
      await encoder.release();
    }
    const wanted = new Float32Array(photos.length * D);
    photos.forEach(({ id }, i) => features.read(id, wanted, i * D));
    for (const rows of [given, wanted]) rows.forEach((x, i) => (rows[i] = (x - mean[i % D]) / std[i % D]));
    let [cosines, errors, squares] = [0, 0, 0];
    for (let i = 0; i < photos.length; i++) {
      const [a, b] = [given, wanted].map((rows) => rows.subarray(i * D, (i + 1) * D));
      let [ab, aa, bb] = [0, 0, 0];
      for (let d = 0; d < D; d++) {
        ab += a[d] * b[d];
        aa += a[d] * a[d];
        bb += b[d] * b[d];
      }
      cosines += ab / Math.sqrt(aa * bb + 1e-12);
      errors += aa + bb - 2 * ab;
      squares += bb;
    }
    return { cosine: cosines / photos.length, explained: 1 - errors / squares };
  };
}
