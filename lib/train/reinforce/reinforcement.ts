import { readFileSync } from 'node:fs';
import { useBackend } from '../../backend/index.js';
import { parseConfig, ReinforcementConfig, type DecoderConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import {
  checkEncoder,
  encoderOf,
  findCheckpoint,
  libraryVersion,
  loadCheckpoint,
  ownEncoder,
  type Checkpoint,
} from '../../model/checkpoint/checkpoint.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { bucketLengths, examplesOf } from '../batches/batches.js';
import type { TrainingOutcome } from '../decoder/captioner-training.js';
import { runContinued, type ContinuedRunOptions } from '../loop/continued-run.js';
import { datasetCounts, encodePhotos, tokenizeData, vectorsOfKnownWords } from '../batches/tokenize-dataset.js';
import { History } from '../loop/history.js';
import { RandomViews } from '../batches/random-views.js';
import { ReinforcementTask, type ReinforcementTaskParts } from './reinforcement-task.js';
import { checkUnchanged, openRun, runFolders, type PastRun } from '../loop/run-folder.js';
import { Validation } from '../decoder/validation.js';

export interface ReinforcementOptions extends ContinuedRunOptions<ReinforcementConfig> {
  /** Of the manifest's photos, by the encoder that the checkpoint was trained with. */
  readonly features: FeatureStore;
}

/**
 * Goes on with a trained decoder, which now learns from the score of its own captions: self-critical sequence training (Rennie et al.
 * 2017, with the baseline of Luo 2020). Teacher forcing makes people's next word likely after people's words; this makes whole
 * captions of the decoder's own good, as CIDEr-D measures it. `best` is the epoch whose captions of the dev photos have the best
 * CIDEr, or what the run began with, where no epoch is better.
 *
 * Stopped in any way, it can go on: the weights then are those of a run that was never stopped.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `mismatch` (features of another encoder or of
 *   other photos, a run that was begun otherwise), `numeric`, `interrupted`.
 */
export async function reinforceCaptioner(options: ReinforcementOptions): Promise<TrainingOutcome> {
  const past = openRun(options.out, options.resume ?? false, 'reinforce');
  const config = parseConfig(ReinforcementConfig, { ...past?.config.reinforced?.config, ...options.config });
  await useBackend(config.backend);
  return runContinued(new ReinforcementTask(await prepare(options, config, past)), config, options, past);
}

async function prepare(
  options: ReinforcementOptions,
  config: ReinforcementConfig,
  past: PastRun | undefined,
): Promise<ReinforcementTaskParts> {
  const { manifest, features, out, progress, warn = () => undefined } = options;
  const folder = findCheckpoint(past ? runFolders(out).last : options.checkpoint);
  const start: Checkpoint = past ?? loadCheckpoint(folder);
  const { vocabulary, graphs, weights } = start;
  const { decoder } = start.config;
  checkEncoder(start.config, features.encoder, 'The features');

  const data = tokenizeData(manifest, features);
  if (data.without.length > 0) {
    warn(
      `${data.without.length} of the data set's photos have no features and are left out (${data.without[0]}, say).`,
    );
  }
  if (data.dev.length === 0) warn('There are no dev photos: the epoch with the highest reward is kept as the best.');
  const vectors = await vectorsOfKnownWords(vocabulary, decoder, warn, progress);
  const photos = encodePhotos(data.train, vocabulary, vectors);
  const dev = encodePhotos(
    config.validatePhotos > 0 ? data.dev.slice(0, config.validatePhotos) : data.dev,
    vocabulary,
    vectors,
  );
  const views = new RandomViews(features, photos, config.augment);
  const dataset = datasetCounts(manifest, photos, dev, views.count);
  if (past) checkUnchanged(out, past.config, { reinforcement: options.config }, dataset);

  const devLengths = dev.flatMap((photo) => examplesOf(photo, config.maxLength).map(({ targets }) => targets.length));
  const validation = new Validation(
    { photos: dev, references: data.devReferences.slice(0, dev.length), features, vocabulary },
    bucketLengths(devLengths, 3),
    { maxLength: config.maxLength, batchSize: config.photosPerBatch * config.samples },
  );
  encoderOf(folder, start.config); // refuses a checkpoint that has lost its own
  const encoder = ownEncoder(folder);
  const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size };
  return {
    out,
    config: {
      ...start.config,
      captioner: libraryVersion(),
      reinforced: { config, trained: { epochs: 0, steps: 0 }, dataset },
    },
    ...(encoder !== undefined && { encoder: readFileSync(encoder) }),
    decoder: new Decoder(config.dropout ? decoder : withoutDropout(decoder), sizes, { weights }),
    buckets: lengthsOf(config.maxLength),
    ...{ vocabulary, graphs, photos, features, views, validation },
    history: new History(runFolders(out).history, past?.history),
    ...(past && { slots: past.slots }),
  };
}

const withoutDropout = (config: DecoderConfig): DecoderConfig => ({
  ...config,
  ...{ featureDropout: 0, inputDropout: 0, betweenDropout: 0, outputDropout: 0 },
});

/** Lengths that drawn captions are padded to, with their end: how long they will be nobody knows, few are longer than a dozen words. */
const lengthsOf = (maxLength: number): number[] => [...[12, 16].filter((length) => length <= maxLength), maxLength + 1];
