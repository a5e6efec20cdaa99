import { useBackend } from '../../backend/index.js';
import { parseConfig, ReinforcementConfig, type DecoderConfig } from '../../config.js';
import type { FeatureStore } from '../../data/features/store.js';
import { libraryVersion } from '../../files/package.js';
import { checkEncoder, encoderOf } from '../../model/checkpoint/checkpoint.js';
import { findEncoder } from '../../model/checkpoint/find-encoder.js';
import { Decoder } from '../../model/decoder/decoder.js';
import {
  datasetCounts,
  encodeCaptions,
  reportGaps,
  trainedOnOtherWords,
  withFeatures,
  type StoredData,
} from '../batches/caption-data.js';
import { tokenizeData } from '../batches/tokenize-dataset.js';
import type { DecoderNetwork } from '../decoder/decoder-task.js';
import { readOwnEncoder } from '../decoder/warm-start.js';
import {
  continuedCheckpoint,
  executeContinued,
  type ContinuedCheckpoint,
  type ContinuedRunOptions,
} from '../loop/continued-run.js';
import { keepEncoder } from '../loop/keep-encoder.js';
import { checkUnchanged } from '../loop/run-folder.js';
import { openRun, type TrainingOutcome, type TrainingRun } from '../loop/training-run.js';
import { ReinforcementTask, type ReinforcementTaskParts } from './reinforcement-task.js';

/** Options of {@link reinforceCaptioner}. */
export interface ReinforcementOptions extends ContinuedRunOptions<ReinforcementConfig> {
  /** Features of the manifest's photos by the encoder that the checkpoint was trained with. */
  readonly features: FeatureStore;
}

/**
 * Continues to train a decoder, which now learns from the scores of its own captions: self-critical sequence training (Rennie et al.
 * 2017, with the baseline of Luo 2020). Teacher forcing makes people's next word likely after people's words; this makes whole
 * captions of the decoder good, as measured by CIDEr-D. `best` is the epoch whose captions of the dev photos have the best CIDEr, or
 * the captioner that the run began with, if no epoch is better.
 *
 * A run that was stopped can be resumed, and ends in the same weights as one that was not.
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `mismatch` (features of another encoder or of
 *   other photos, a run that was begun otherwise), `numeric`, `interrupted`.
 */
export async function reinforceCaptioner(options: ReinforcementOptions): Promise<TrainingOutcome> {
  const run = openRun('reinforce', options, (past) =>
    parseConfig(ReinforcementConfig, { ...past?.reinforced?.config, ...options.config }),
  );
  const start = continuedCheckpoint(run, options.checkpoint);
  const data = await prepareData(run, start, options);
  const config = checkpointConfig(run, start, data, options);
  const network = await startNetwork(run, start, data);
  if (!network.encoder) {
    const before = await findEncoder(start.folder, start.checkpoint.config);
    await keepEncoder(run, config, [before, options.features.encoderFile]);
  }
  const task = new ReinforcementTask({ run, config, data, network });
  return executeContinued(run, task, options.onStart);
}

async function prepareData(
  { warn, config }: TrainingRun<ReinforcementConfig>,
  { checkpoint }: ContinuedCheckpoint,
  { manifest, features, progress }: ReinforcementOptions,
): Promise<StoredData> {
  checkEncoder(checkpoint.config, features.encoder, 'The features');
  const tokenized = tokenizeData(manifest, features);
  reportGaps(tokenized, warn, 'features', 'the highest reward');
  const { vocabulary } = checkpoint;
  const { decoder } = checkpoint.config;
  const { validatePhotos } = config;
  const source = { tokenized, vocabulary, decoder, trained: true, validatePhotos, remedy: trainedOnOtherWords };
  return withFeatures(await encodeCaptions(source, { warn, progress }), features, config.randomViewShare);
}

/**
 * The `config.json` of the run's checkpoints.
 * @throws CaptionerError `mismatch`: the run began otherwise.
 */
function checkpointConfig(
  { past, config }: TrainingRun<ReinforcementConfig>,
  { checkpoint }: ContinuedCheckpoint,
  data: StoredData,
  { manifest, out, config: reinforcement }: ReinforcementOptions,
): ReinforcementTaskParts['config'] {
  const dataset = datasetCounts(manifest, data, data.views.count);
  checkUnchanged(out, past, { reinforcement }, dataset);
  return {
    ...checkpoint.config,
    captioner: libraryVersion(),
    reinforced: { config, trained: { epochs: 0, steps: 0 }, dataset },
  };
}

async function startNetwork(
  { config: { backend, dropout } }: TrainingRun<ReinforcementConfig>,
  { folder, checkpoint }: ContinuedCheckpoint,
  { features, vocabulary }: StoredData,
): Promise<DecoderNetwork> {
  const { config, graphs, weights } = checkpoint;
  encoderOf(folder, config); // refuses a checkpoint that has lost its own encoder
  await useBackend(backend);
  const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size };
  const decoder = new Decoder(dropout ? config.decoder : withoutDropout(config.decoder), sizes, { weights });
  return { decoder, graphs, encoder: readOwnEncoder(folder) };
}

const withoutDropout = (config: DecoderConfig): DecoderConfig => ({
  ...config,
  ...{ featureDropout: 0, inputDropout: 0, betweenDropout: 0, outputDropout: 0 },
});
