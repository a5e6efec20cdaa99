import { existsSync } from 'node:fs';
import path from 'node:path';
import { useBackend } from '../backend/index.js';
import { FinetuneConfig, parseConfig } from '../config.js';
import type { Manifest } from '../data/manifest.js';
import { CaptionerError } from '../errors.js';
import {
  checkEncoder,
  encoderOf,
  findCheckpoint,
  libraryVersion,
  loadCheckpoint,
  type Checkpoint,
} from '../model/checkpoint.js';
import { Decoder } from '../model/decoder.js';
import { readEncoder } from '../model/encoder-source.js';
import { TrainableEncoder } from '../model/trainable-encoder.js';
import { loadVectors } from '../text/vectors.js';
import { bucketLengths, examplesOf } from './batches.js';
import type { TrainingOutcome } from './captioner-training.js';
import { encodePhotos, tokenizePhotos } from './data.js';
import { encoderWeights, FinetuneTask, type FinetuneTaskParts } from './finetune-task.js';
import { History } from './history.js';
import { longest } from './photo-batches.js';
import { checkUnchanged, openRun, runFolders, type PastRun } from './run-folder.js';
import { runTask, type RunOptions } from './run-task.js';
import { freshState, type TrainerState } from './trainer.js';

export interface FinetuningOptions extends RunOptions {
  /** The data set; its photos' files are read. */
  readonly manifest: Manifest;
  /** Folder of the trained captioner to begin with: a checkpoint or a training run. */
  readonly checkpoint: string;
  /** Path of its encoder's ONNX file, where it shall not be looked for or downloaded by its name. */
  readonly encoder?: string;
  /** Folder of the run: gets the checkpoints `last` and `best`, each with its `encoder.onnx`, and `history.jsonl`. */
  readonly out: string;
  readonly config?: Partial<FinetuneConfig>;
  /** Go on with the run in `out` where it stopped, with the hyperparameters it has; start one where there is none. */
  readonly resume?: boolean;
  /** Told, in a sentence, what is odd and no error. */
  readonly warn?: (line: string) => void;
  /** Told the dev scores of the captioner that the run begins with. */
  readonly onStart?: (scores: Readonly<Record<string, number>>) => void;
}

/**
 * Trains encoder and decoder of a trained captioner together on photos and their captions, the second phase of "Show and Tell"
 * (Vinyals et al. 2015, 4.3.1): the gradient goes on through the features into the convolutional network, which learns at a
 * smaller rate. After each epoch the dev photos go through the new encoder and are captioned. `best` is the epoch whose captions
 * have the best CIDEr, or what the run began with, where no epoch is better.
 *
 * Stopped in any way, it can go on: the weights then are those of a run that was never stopped.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `unsupported` (an encoder that can't be
 *   trained), `mismatch` (another encoder, a run that was begun otherwise), `not-found`, `numeric`, `interrupted`.
 */
export async function finetuneCaptioner(options: FinetuningOptions): Promise<TrainingOutcome> {
  const { out, progress, signal } = options;
  const past = openRun(out, options.resume ?? false, 'finetune');
  const config = parseConfig(FinetuneConfig, { ...past?.config.finetuned?.config, ...options.config });
  await useBackend(config.backend);
  const task = new FinetuneTask(await prepare(options, config, past));
  try {
    let state: TrainerState | undefined = past?.state;
    if (!state) {
      progress?.start('Captioning the dev photos as they are captioned now', 0, 'photos');
      const scores = await task.validate(signal).finally(() => progress?.stop());
      options.onStart?.(scores);
      // Where there is nothing to score, the first epoch is the best so far.
      const begun = { best: task.goal(scores, 0), bestScores: scores };
      state = { ...freshState(), ...(scores.CIDEr !== undefined && begun) };
    }
    const end = await runTask(task, task.history, config, options, { state, resumed: past !== undefined });
    const { best } = runFolders(out);
    return { best, config: loadCheckpoint(best).config, state: end };
  } finally {
    await task.dispose();
  }
}

async function prepare(
  options: FinetuningOptions,
  config: FinetuneConfig,
  past: PastRun | undefined,
): Promise<FinetuneTaskParts> {
  const { manifest, out, progress, signal, warn = () => undefined } = options;
  const folder = past ? findCheckpoint(runFolders(out).last) : findCheckpoint(options.checkpoint);
  const start: Checkpoint = past ?? loadCheckpoint(folder);
  if (start.config.reinforced) {
    throw new CaptionerError(
      'unsupported',
      `The captioner in ${folder} has learned from its own captions already, which comes last. Fine-tune what it began with.`,
    );
  }
  const { decoder: decoderConfig, encoder: startEncoder } = start.config;
  const { vocabulary, graphs, weights } = start;

  const data = tokenizePhotos(manifest, ({ file }) => existsSync(file));
  const missing = data.without.length;
  if (data.train.length === 0) {
    const { file } = manifest.photos.find(({ id }) => id === data.without[0])!;
    throw new CaptionerError('not-found', `None of the ${missing} photos of ${manifest.name} is there (${file}, say).`);
  }
  if (missing > 0) warn(`${missing} of the data set's photos are not there and left out (${data.without[0]}, say).`);
  if (data.dev.length === 0)
    warn('There are no dev photos: the epoch with the least training loss is kept as the best.');

  const vectors =
    decoderConfig.embeddings === 'scratch'
      ? undefined
      : await loadVectors(vocabulary, { source: decoderConfig.vectors, ...(progress && { progress }) });
  const files = new Map(manifest.photos.map(({ id, file }) => [id, file]));
  const withFile = (photos: Parameters<typeof encodePhotos>[0]) =>
    encodePhotos(photos, vocabulary, vectors).map((photo) => ({ ...photo, file: files.get(photo.id)! }));
  const photos = withFile(data.train);
  const dev = withFile(config.validatePhotos > 0 ? data.dev.slice(0, config.validatePhotos) : data.dev).map(
    (photo, i) => ({ ...photo, references: data.devReferences[i] }),
  );
  const lengths = photos.map((photo) => longest(examplesOf(photo, config.maxLength)));
  const devLengths = dev.flatMap((photo) => examplesOf(photo, config.maxLength).map(({ targets }) => targets.length));
  const most = devLengths.reduce((a, b) => Math.max(a, b), Math.max(...lengths));
  const buckets = [...new Set([...bucketLengths(lengths, 3), most])];

  const dataset = {
    name: manifest.name,
    photos: photos.length,
    captions: photos.reduce((sum, { captions }) => sum + captions.length, 0),
    devPhotos: dev.length,
  };
  if (past) checkUnchanged(out, past.config, { finetuning: options.config }, dataset);

  const source = await readEncoder(
    past ? path.join(folder, 'encoder.onnx') : (options.encoder ?? encoderOf(folder, start.config)),
    {
      progress,
      signal,
    },
  );
  const encoder = new TrainableEncoder(source, {
    layers: config.trainableLayers,
    ...(past && { weights: encoderWeights(past.slots) }),
  });
  checkEncoder(start.config, { ...source, dimension: encoder.dimension }, 'The features');
  const from = past?.config.finetuned?.from ?? startEncoder;
  const sizes = { featureSize: encoder.dimension, vocabularySize: vocabulary.size };
  return {
    out,
    config: {
      ...start.config,
      captioner: libraryVersion(),
      finetuned: { config, trained: { epochs: 0, steps: 0 }, dataset, from },
    },
    encoder,
    encoderName: from.name.endsWith('-tuned') ? from.name : `${from.name}-tuned`,
    decoder: new Decoder(decoderConfig, sizes, { weights }),
    ...{ vocabulary, graphs, photos, dev, buckets },
    history: new History(runFolders(out).history, past?.history),
    ...(past && { slots: past.slots }),
    skip: (reason) => {
      warn(`${reason} It is left out.`);
    },
  };
}
