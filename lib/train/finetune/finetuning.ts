import { existsSync } from 'node:fs';
import path from 'node:path';
import { useBackend } from '../../backend/index.js';
import { FinetuneConfig, parseConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import {
  checkEncoder,
  encoderOf,
  findCheckpoint,
  libraryVersion,
  loadCheckpoint,
  type Checkpoint,
} from '../../model/checkpoint/checkpoint.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { readEncoder } from '../../model/encoder/encoder-source.js';
import { TrainableEncoder } from '../../model/encoder/trainable-encoder.js';
import { bucketLengths, examplesOf } from '../batches/batches.js';
import type { TrainingOutcome } from '../decoder/captioner-training.js';
import { runContinued, type ContinuedRunOptions } from '../loop/continued-run.js';
import { datasetCounts, encodePhotos, tokenizePhotos, vectorsOfKnownWords } from '../batches/tokenize-dataset.js';
import { encoderWeights, FinetuneTask, type FinetuneTaskParts } from './finetune-task.js';
import { History } from '../loop/history.js';
import { longest } from '../batches/photo-batches.js';
import { checkUnchanged, openRun, runFolders, type PastRun } from '../loop/run-folder.js';

/** Options of {@link finetuneCaptioner}; the photos' files are read, and each checkpoint gets its `encoder.onnx`. */
export interface FinetuningOptions extends ContinuedRunOptions<FinetuneConfig> {
  /** Path of the checkpoint's encoder, an ONNX file, where it shall not be looked for or downloaded by its name. */
  readonly encoder?: string;
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
  const past = openRun(options.out, options.resume ?? false, 'finetune');
  const config = parseConfig(FinetuneConfig, { ...past?.config.finetuned?.config, ...options.config });
  await useBackend(config.backend);
  return runContinued(new FinetuneTask(await prepare(options, config, past)), config, options, past);
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

  const vectors = await vectorsOfKnownWords(vocabulary, decoderConfig, warn, progress);
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

  const dataset = datasetCounts(manifest, photos, dev);
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
  checkEncoder(start.config, { ...startEncoder, sha256: source.sha256, dimension: encoder.dimension }, 'The features');
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
