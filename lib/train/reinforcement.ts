import { existsSync, readFileSync } from 'node:fs';
import { useBackend } from '../backend/index.js';
import { parseConfig, ReinforcementConfig, type DecoderConfig } from '../config.js';
import type { FeatureStore } from '../data/features.js';
import type { Manifest } from '../data/manifest.js';
import {
  checkEncoder,
  encoderOf,
  findCheckpoint,
  libraryVersion,
  loadCheckpoint,
  type Checkpoint,
} from '../model/checkpoint.js';
import { Decoder } from '../model/decoder.js';
import { loadVectors } from '../text/vectors.js';
import { bucketLengths, examplesOf } from './batches.js';
import type { TrainingOutcome } from './captioner-training.js';
import { encodePhotos, tokenizeData } from './data.js';
import { History } from './history.js';
import { ReinforcementTask, type ReinforcementTaskParts } from './reinforcement-task.js';
import { checkUnchanged, openRun, runFolders, type PastRun } from './run-folder.js';
import { runTask, type RunOptions } from './run-task.js';
import { freshState, type TrainerState } from './trainer.js';
import { Validation } from './validation.js';

export interface ReinforcementOptions extends RunOptions {
  readonly manifest: Manifest;
  /** Of the manifest's photos, by the encoder that the checkpoint was trained with. */
  readonly features: FeatureStore;
  /** Folder of the trained captioner to begin with: a checkpoint or a training run. */
  readonly checkpoint: string;
  /** Folder of the run: gets the checkpoints `last` and `best`, and `history.jsonl`. */
  readonly out: string;
  readonly config?: Partial<ReinforcementConfig>;
  /** Go on with the run in `out` where it stopped, with the hyperparameters it has; start one where there is none. */
  readonly resume?: boolean;
  /** Told, in a sentence, what is odd and no error. */
  readonly warn?: (line: string) => void;
  /** Told the dev scores of the captioner that the run begins with. */
  readonly onStart?: (scores: Readonly<Record<string, number>>) => void;
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
  const { out, progress, signal } = options;
  const past = openRun(out, options.resume ?? false, 'reinforce');
  const config = parseConfig(ReinforcementConfig, { ...past?.config.reinforced?.config, ...options.config });
  await useBackend(config.backend);
  const task = new ReinforcementTask(await prepare(options, config, past));
  try {
    let state: TrainerState | undefined = past?.state;
    if (!state) {
      progress?.start('Captioning the dev photos as they are captioned now', 0, 'photos');
      const scores = await task.validate(signal).finally(() => progress?.stop());
      options.onStart?.(scores);
      // Where there is nothing to score, the first epoch is the best so far.
      state = { ...freshState(), ...(scores.CIDEr !== undefined && { best: scores.CIDEr, bestScores: scores }) };
    }
    const begun = { state, resumed: past !== undefined };
    const end = await runTask(task, task.history, config, options, begun);
    const { best } = runFolders(out);
    return { best, config: loadCheckpoint(best).config, state: end };
  } finally {
    task.dispose();
  }
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
  const vectors =
    decoder.embeddings === 'scratch'
      ? undefined
      : await loadVectors(vocabulary, { source: decoder.vectors, ...(progress && { progress }) });
  const photos = encodePhotos(data.train, vocabulary, vectors);
  const dev = encodePhotos(
    config.validatePhotos > 0 ? data.dev.slice(0, config.validatePhotos) : data.dev,
    vocabulary,
    vectors,
  );
  const dataset = {
    name: manifest.name,
    photos: photos.length,
    captions: photos.reduce((sum, { captions }) => sum + captions.length, 0),
    devPhotos: dev.length,
  };
  if (past) checkUnchanged(out, past.config, { reinforcement: options.config }, dataset);

  const devLengths = dev.flatMap((photo) => examplesOf(photo, config.maxLength).map(({ targets }) => targets.length));
  const validation = new Validation(
    { photos: dev, references: data.devReferences.slice(0, dev.length), features, vocabulary },
    bucketLengths(devLengths, 3),
    { maxLength: config.maxLength, batchSize: config.photosPerBatch * config.samples },
  );
  const encoder = encoderOf(folder, start.config);
  const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size };
  return {
    out,
    config: {
      ...start.config,
      captioner: libraryVersion(),
      reinforced: { config, trained: { epochs: 0, steps: 0 }, dataset },
    },
    ...(existsSync(encoder) && { encoder: readFileSync(encoder) }),
    decoder: new Decoder(config.dropout ? decoder : withoutDropout(decoder), sizes, { weights }),
    buckets: lengthsOf(config.maxLength),
    ...{ vocabulary, graphs, photos, features, validation },
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
