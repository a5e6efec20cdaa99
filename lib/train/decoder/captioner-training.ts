import { useBackend } from '../../backend/index.js';
import { DecoderConfig, parseConfig, TrainingConfig, VocabularyConfig } from '../../config.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import { featureStatistics } from '../../data/features/statistics.js';
import { plainIdentity } from '../../data/features/encoder-identity.js';
import { type FeatureStore } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import { libraryVersion } from '../../files/package.js';
import { checkEncoder, findCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { exportDecoder } from '../../model/decoder/export-decoder.js';
import { Random } from '../../random.js';
import type { WordVectors } from '../../text/vectors.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { datasetCounts, encodeCaptions, reportGaps, withFeatures, type StoredData } from '../batches/caption-data.js';
import { buildVocabulary, tokenizeData, type TokenizedData } from '../batches/tokenize-dataset.js';
import { keepEncoder } from '../loop/keep-encoder.js';
import { checkUnchanged } from '../loop/run-folder.js';
import { openRun, type RunOptions, type TrainingOutcome, type TrainingRun } from '../loop/training-run.js';
import { CaptionerTask } from './captioner-task.js';
import type { DecoderNetwork } from './decoder-task.js';
import { readOwnEncoder, WarmStart } from './warm-start.js';

/** Options of {@link trainCaptioner}. */
export interface CaptionerTrainingOptions extends RunOptions {
  readonly manifest: Manifest;
  readonly features: FeatureStore;
  readonly decoder?: Partial<DecoderConfig>;
  readonly training?: Partial<TrainingConfig>;
  /**
   * Folder of a trained captioner whose weights, vocabulary and decoder the new one starts from, so that little data is enough. Only the
   * dropout of `decoder` may differ.
   */
  readonly from?: string;
  /** Options for building the vocabulary, or a finished one; neither with `from`. */
  readonly vocabulary?: Partial<VocabularyConfig> | Vocabulary;
}

/**
 * Trains a captioner on the features of a data set's photos, with teacher forcing. After each epoch it captions the dev photos; the
 * epoch whose captions have the best CIDEr is kept. A run that was stopped can be resumed, and ends in the same weights, bit for bit,
 * as one that was not.
 *
 * ```ts
 * const manifest = await openDataset('data/flickr8k');
 * const features = openFeatures('features/flickr8k');
 * const { state } = await trainCaptioner({ manifest, features, out: 'runs/first', training: { epochs: 5 } });
 * console.log(state.bestScores.CIDEr);
 * ```
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `mismatch` (features of other photos, a run
 *   that was begun with other hyperparameters), `numeric` (the loss is not finite), `interrupted`.
 */
export async function trainCaptioner(options: CaptionerTrainingOptions): Promise<TrainingOutcome> {
  const run = openRun('train', options, (past) =>
    parseConfig(TrainingConfig, { ...past?.training, ...options.training }),
  );
  const start = run.past || options.from === undefined ? undefined : WarmStart.open(options.from, options);
  const { data, decoder } = await prepareData(run, start, options);
  const config = checkpointConfig(run, start, data, decoder, options);
  const network = await startNetwork(run, start, data, decoder);
  if (!network.encoder) await keepEncoder(run, config, [options.features.encoderFile]);
  const task = new CaptionerTask({ run, config, data, network });
  return run.outcome(await run.execute(task));
}

/** The captions and features to learn from, and the hyperparameters of a decoder for them. */
async function prepareData(
  run: TrainingRun<TrainingConfig>,
  start: WarmStart | undefined,
  options: CaptionerTrainingOptions,
): Promise<{ data: StoredData; decoder: DecoderConfig }> {
  const { past, warn, config: training } = run;
  const { manifest, features, progress } = options;
  const tokenized = tokenizeData(manifest, features);
  reportGaps(tokenized, warn, 'features');
  const vocabulary = start?.checkpoint.vocabulary ?? chooseVocabulary(run, tokenized, options);
  const wanted = parseConfig(
    DecoderConfig,
    past?.config.decoder ?? { ...start?.checkpoint.config.decoder, ...options.decoder },
  );
  const trained = start !== undefined || past?.config.from !== undefined;
  const given = trained || options.vocabulary instanceof Vocabulary;
  const { validatePhotos } = training;
  const captions = await encodeCaptions(
    { tokenized, vocabulary, decoder: wanted, trained, validatePhotos, remedy: given ? otherVocabulary : rareWords },
    { warn, progress },
  );
  const { vectors } = captions;
  if (vectors && vectors.missing.length > 0.5 * (vocabulary.size - Vocabulary.SPECIALS))
    warn(foreignVectors(vectors, wanted.vectors, vocabulary));
  if (past) checkEncoder(past.config, features.encoder, 'The features');
  return {
    data: withFeatures(captions, features, training.randomViewShare),
    decoder: { ...wanted, embeddingSize: captions.vectors?.dimension ?? wanted.embeddingSize },
  };
}

const otherVocabulary =
  'The vocabulary comes from other captions, perhaps in another language: train without it (--vocabulary, --from).';
const rareWords = 'Words must occur several times to be learned: lower --min-count, or give more captions.';

/** A warning that word vectors are of another language than the captions. */
function foreignVectors({ missing }: WordVectors, source: string, vocabulary: Vocabulary): string {
  const share = Math.round((100 * missing.length) / (vocabulary.size - Vocabulary.SPECIALS));
  const language = source === 'wink' ? ': its words are English' : '';
  return `${share} % of the vocabulary's words have no vector in ${source}${language}. Choose --embeddings scratch, or --vectors in the language of the captions.`;
}

/** The vocabulary of the past run, the given one, or one built from the captions. */
function chooseVocabulary(
  { past }: TrainingRun<TrainingConfig>,
  tokenized: TokenizedData,
  { vocabulary, out }: CaptionerTrainingOptions,
): Vocabulary {
  if (!(vocabulary instanceof Vocabulary)) return past?.vocabulary ?? buildVocabulary(tokenized, vocabulary);
  if (past && past.vocabulary.words.join('\n') !== vocabulary.words.join('\n')) {
    throw new CaptionerError('mismatch', `The run in ${out} has another vocabulary. Resume it without giving one.`);
  }
  return vocabulary;
}

/**
 * The `config.json` of the run's checkpoints.
 * @throws CaptionerError `mismatch`: the run began otherwise.
 */
function checkpointConfig(
  { past, config: training }: TrainingRun<TrainingConfig>,
  start: WarmStart | undefined,
  data: StoredData,
  decoder: DecoderConfig,
  options: CaptionerTrainingOptions,
): CheckpointConfig {
  const { manifest, features, out } = options;
  const given = options.vocabulary instanceof Vocabulary ? undefined : options.vocabulary;
  const dataset = datasetCounts(manifest, data, data.views.count);
  checkUnchanged(out, past, { decoder: options.decoder, training: options.training, vocabulary: given }, dataset);
  const from = past ? past.config.from : start?.origin();
  return {
    format: 1,
    captioner: libraryVersion(),
    encoder: plainIdentity({ ...features.encoder, dimension: features.dimension }),
    decoder,
    vocabulary: (past ?? start?.checkpoint)?.config.vocabulary ?? parseConfig(VocabularyConfig, given),
    vocabularySize: data.vocabulary.size,
    training,
    dataset,
    trained: { epochs: 0, steps: 0 },
    ...(from && { from }),
    scores: {},
  };
}

/** The decoder as it stopped, as the starting checkpoint has it, or new. */
async function startNetwork(
  { past, folders, config: { seed, backend } }: TrainingRun<TrainingConfig>,
  start: WarmStart | undefined,
  { vocabulary, vectors, features, photos }: StoredData,
  config: DecoderConfig,
): Promise<DecoderNetwork> {
  const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size };
  const statistics = featureStatistics(features, photos);
  const weights = past?.weights ?? start?.weights(statistics);
  const { mean: featureMean, std: featureStd } = statistics;
  const initial = { vectors: vectors?.matrix, ...(config.normalizeFeatures && { featureMean, featureStd }) };
  const graphs = past?.graphs ?? (await exportGraphs(config, sizes));
  await useBackend(backend);
  const decoder = new Decoder(config, sizes, { random: new Random(seed), ...(weights ? { weights } : initial) });
  const encoder = past ? readOwnEncoder(findCheckpoint(folders.last)) : start?.encoder();
  return { decoder, graphs, encoder };
}

/** The decoder's ONNX graphs. Only the `onnx` backend writes them; they do not depend on the weights. */
async function exportGraphs(config: DecoderConfig, sizes: Decoder['sizes']): Promise<ReadonlyMap<string, Uint8Array>> {
  await useBackend('onnx');
  const decoder = new Decoder(config, sizes);
  try {
    return exportDecoder(decoder);
  } finally {
    decoder.dispose();
  }
}
