import { existsSync } from 'node:fs';
import path from 'node:path';
import { useBackend } from '../../backend/index.js';
import { FinetuneConfig, parseConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { libraryVersion } from '../../files/package.js';
import { checkEncoder } from '../../model/checkpoint/checkpoint.js';
import { locateEncoder } from '../../model/checkpoint/find-encoder.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { readEncoder } from '../../model/encoder/encoder-source.js';
import { TrainableEncoder } from '../../model/encoder/trainable-encoder.js';
import {
  datasetCounts,
  encodeCaptions,
  reportGaps,
  trainedOnOtherWords,
  type CaptionData,
} from '../batches/caption-data.js';
import { tokenizePhotos } from '../batches/tokenize-dataset.js';
import {
  continuedCheckpoint,
  executeContinued,
  type ContinuedCheckpoint,
  type ContinuedRunOptions,
} from '../loop/continued-run.js';
import { checkUnchanged } from '../loop/run-folder.js';
import { openRun, type TrainingOutcome, type TrainingRun } from '../loop/training-run.js';
import { encoderWeights, FinetuneTask, type FinetuneNetwork, type FinetuneTaskParts } from './finetune-task.js';

/** Options of {@link finetuneCaptioner}. The photos' files are read, and each checkpoint has its own `encoder.onnx`. */
export interface FinetuningOptions extends ContinuedRunOptions<FinetuneConfig> {
  /** Path of the checkpoint's encoder, an ONNX file, if it should not be found or downloaded by its name. */
  readonly encoder?: string;
}

/**
 * Trains encoder and decoder of a trained captioner together on photos and their captions, the second phase of "Show and Tell"
 * (Vinyals et al. 2015, 4.3.1): the gradient passes through the features into the convolutional network, which learns at a
 * smaller rate. After each epoch the dev photos go through the new encoder and are captioned. `best` is the epoch whose captions
 * have the best CIDEr, or the captioner that the run began with, if no epoch is better.
 *
 * A run that was stopped can be resumed, and ends in the same weights as one that was not.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `unsupported` (an encoder that cannot be
 *   trained), `mismatch` (another encoder, a run that was begun otherwise), `not-found`, `numeric`, `interrupted`.
 */
export async function finetuneCaptioner(options: FinetuningOptions): Promise<TrainingOutcome> {
  const run = openRun('finetune', options, (past) =>
    parseConfig(FinetuneConfig, { ...past?.finetuned?.config, ...options.config }),
  );
  const start = continuedCheckpoint(run, options.checkpoint);
  refuseReinforced(start);
  const data = await prepareData(run, start, options);
  const config = checkpointConfig(run, start, data, options);
  const network = await startNetwork(run, start, options);
  const task = new FinetuneTask({ run, config, data, network });
  return executeContinued(run, task, options.onStart);
}

function refuseReinforced({ folder, checkpoint }: ContinuedCheckpoint): void {
  if (!checkpoint.config.reinforced) return;
  throw new CaptionerError(
    'unsupported',
    `The captioner in ${folder} has already learned from its own captions, which is the last phase. Fine-tune the checkpoint that phase began with.`,
  );
}

async function prepareData(
  { warn, config: { validatePhotos } }: TrainingRun<FinetuneConfig>,
  { checkpoint }: ContinuedCheckpoint,
  { manifest, progress }: FinetuningOptions,
): Promise<CaptionData> {
  const tokenized = tokenizePhotos(manifest, ({ file }) => existsSync(file));
  if (tokenized.train.length === 0) {
    const { file } = manifest.photos.find(({ id }) => id === tokenized.without[0])!;
    throw new CaptionerError(
      'not-found',
      `None of the ${tokenized.without.length} photos of ${manifest.name} exists (for example ${file}).`,
    );
  }
  reportGaps(tokenized, warn, 'a file');
  const { vocabulary } = checkpoint;
  const { decoder } = checkpoint.config;
  return encodeCaptions(
    { tokenized, vocabulary, decoder, trained: true, validatePhotos, remedy: trainedOnOtherWords },
    { warn, progress },
  );
}

/**
 * The `config.json` of the run's checkpoints.
 * @throws CaptionerError `mismatch`: the run began otherwise.
 */
function checkpointConfig(
  { past, config }: TrainingRun<FinetuneConfig>,
  { checkpoint }: ContinuedCheckpoint,
  data: CaptionData,
  { manifest, out, config: finetuning }: FinetuningOptions,
): FinetuneTaskParts['config'] {
  const dataset = datasetCounts(manifest, data);
  checkUnchanged(out, past, { finetuning }, dataset);
  const from = past?.config.finetuned?.from ?? checkpoint.config.encoder;
  return {
    ...checkpoint.config,
    captioner: libraryVersion(),
    finetuned: { config, trained: { epochs: 0, steps: 0 }, dataset, from },
  };
}

async function startNetwork(
  { past, config }: TrainingRun<FinetuneConfig>,
  { folder, checkpoint }: ContinuedCheckpoint,
  options: FinetuningOptions,
): Promise<FinetuneNetwork> {
  const { config: trained, graphs, weights, vocabulary } = checkpoint;
  const { progress, signal } = options;
  const file = past ? path.join(folder, 'encoder.onnx') : (options.encoder ?? (await locateEncoder(folder, trained)));
  const source = await readEncoder(file, { progress, signal });
  await useBackend(config.backend);
  const encoder = new TrainableEncoder(source, {
    layers: config.trainableLayers,
    normalisation: past ? undefined : trained.encoder.normalisation,
    ...(past && { weights: encoderWeights(past.slots) }),
  });
  const { sha256 } = source;
  const { dimension } = encoder;
  checkEncoder(trained, { ...trained.encoder, sha256, dimension }, 'The features');
  const sizes = { featureSize: dimension, vocabularySize: vocabulary.size };
  return { encoder, decoder: new Decoder(trained.decoder, sizes, { weights }), graphs };
}
