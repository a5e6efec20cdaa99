import { readFileSync } from 'node:fs';
import { useBackend } from '../../backend/index.js';
import { DecoderConfig, parseConfig, TrainingConfig, VocabularyConfig } from '../../config.js';
import { plainIdentity, type FeatureStore } from '../../data/features/store.js';
import type { Manifest } from '../../data/datasets/manifest.js';
import { CaptionerError } from '../../errors.js';
import {
  checkEncoder,
  findCheckpoint,
  libraryVersion,
  ownEncoder,
  type CheckpointConfig,
} from '../../model/checkpoint/checkpoint.js';
import { Decoder } from '../../model/decoder/decoder.js';
import { exportDecoder } from '../../model/decoder/export-decoder.js';
import { Random } from '../../random.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { bucketLengths, examplesOf, type EncodedPhoto } from '../batches/batches.js';
import { CaptionerTask } from './captioner-task.js';
import {
  buildVocabulary,
  datasetCounts,
  decoderVectors,
  encodePhotos,
  featureStatistics,
  tokenizeData,
  vectorsOfKnownWords,
  type TokenizedData,
} from '../batches/tokenize-dataset.js';
import { History } from '../loop/history.js';
import { RandomViews } from '../batches/random-views.js';
import { checkUnchanged, openRun, runFolders, type PastRun } from '../loop/run-folder.js';
import { runTask, type RunOptions } from '../loop/run-task.js';
import { warmStartOrigin, openWarmStart, warmStartWeights, type WarmStart } from './warm-start.js';
import type { TrainerState } from '../loop/trainer.js';
import { Validation } from './validation.js';

export interface CaptionerTrainingOptions extends RunOptions {
  readonly manifest: Manifest;
  readonly features: FeatureStore;
  /** Folder of the run: gets the checkpoints `last` and `best`, and `history.jsonl`. */
  readonly out: string;
  readonly decoder?: Partial<DecoderConfig>;
  readonly training?: Partial<TrainingConfig>;
  /**
   * Folder of a trained captioner whose weights, words and decoder the new one begins with: a little data of one's own is enough then.
   * Only `decoder`'s dropout may differ.
   */
  readonly from?: string;
  /** How to build the vocabulary, or one that was built; nothing with `from`. */
  readonly vocabulary?: Partial<VocabularyConfig> | Vocabulary;
  /** Go on with the run in `out` where it stopped, with the hyperparameters it has; start one where there is none. */
  readonly resume?: boolean;
  /** Told, in a sentence, what is odd and no error. */
  readonly warn?: (line: string) => void;
}

export interface TrainingOutcome {
  /** Folder of the best checkpoint. */
  readonly best: string;
  readonly config: CheckpointConfig;
  readonly state: TrainerState;
}

/**
 * Trains a captioner on the features of a data set's photos, with teacher forcing; after each epoch it captions the dev photos, and
 * keeps the epoch whose captions have the best CIDEr. Stopped in any way, it can go on: the weights then are, to the bit, those of
 * a run that was never stopped.
 *
 * ```ts
 * const manifest = await openDataset('data/flickr8k');
 * const features = openFeatures('features/flickr8k');
 * const { state } = await trainCaptioner({ manifest, features, out: 'runs/first', training: { epochs: 5 } });
 * console.log(state.bestScores.CIDEr);
 * ```
 *
 * @throws CaptionerError `bad-option`, `bad-input` (no train photos, a folder in use), `mismatch` (features of other photos, a run
 *   that was begun with other hyperparameters), `numeric` (the loss is no number any more), `interrupted`.
 */
export async function trainCaptioner(options: CaptionerTrainingOptions): Promise<TrainingOutcome> {
  const { manifest, features, out, warn = () => undefined } = options;
  const past = openRun(out, options.resume ?? false, 'train');
  const data = tokenizeData(manifest, features);
  const { without } = data;
  if (without.length === 1) warn(`1 photo without features is left out (${without[0]}).`);
  else if (without.length > 1) warn(`${without.length} photos without features are left out (${without[0]}, …).`);
  if (data.dev.length === 0)
    warn('There are no dev photos: the epoch with the least training loss is kept as the best.');

  const start = past || options.from === undefined ? undefined : openWarmStart(options.from, options);
  const setup = await prepare(options, data, past, start);
  const { config } = setup.parts;
  await useBackend(config.training.backend);
  const task = new CaptionerTask({ ...setup.parts, decoder: setup.makeDecoder() });
  try {
    const begun = { state: past?.state, resumed: past !== undefined };
    const state = await runTask(task, setup.parts.history, config.training, options, begun);
    return { best: runFolders(out).best, config: { ...config, scores: state.bestScores }, state };
  } finally {
    task.dispose();
  }
}

async function prepare(
  options: CaptionerTrainingOptions,
  data: TokenizedData,
  past: PastRun | undefined,
  start: WarmStart | undefined,
) {
  const { manifest, features, out, warn = () => undefined } = options;
  const before = start?.checkpoint;
  const training = parseConfig(TrainingConfig, { ...past?.config.training, ...options.training });
  const wanted = parseConfig(DecoderConfig, past?.config.decoder ?? { ...before?.config.decoder, ...options.decoder });
  const vocabulary = before?.vocabulary ?? chooseVocabulary(options, data, past);
  // Whoever began without the vectors goes on without them.
  const vectors =
    (before ?? past?.config.from)
      ? await vectorsOfKnownWords(vocabulary, wanted, warn, options.progress)
      : await decoderVectors(vocabulary, wanted, options.progress);
  const decoderConfig = vectors ? { ...wanted, embeddingSize: vectors.dimension } : wanted;

  const dev = training.validatePhotos > 0 ? data.dev.slice(0, training.validatePhotos) : data.dev;
  const photos = encodePhotos(data.train, vocabulary, vectors);
  const devPhotos = encodePhotos(dev, vocabulary, vectors);
  const lengthsOf = (encoded: readonly EncodedPhoto[]) =>
    encoded.flatMap((photo) => examplesOf(photo, training.maxLength).map(({ targets }) => targets.length));
  const buckets = bucketLengths(lengthsOf(photos));
  const longest = lengthsOf(devPhotos).reduce((a, b) => Math.max(a, b), buckets.at(-1)!);
  const devBuckets = [...new Set([...buckets, longest])];

  const views = new RandomViews(features, photos, training.augment);
  const config: CheckpointConfig = {
    format: 1,
    captioner: libraryVersion(),
    encoder: plainIdentity({ ...features.encoder, dimension: features.dimension }),
    decoder: decoderConfig,
    vocabulary: (past ?? before)?.config.vocabulary ?? vocabularyConfig(options),
    vocabularySize: vocabulary.size,
    training,
    dataset: datasetCounts(manifest, photos, dev, views.count),
    trained: { epochs: 0, steps: 0 },
    ...warmStartOrigin(past, before),
    scores: {},
  };
  if (past) {
    checkEncoder(past.config, features.encoder, 'The features');
    const { decoder, training: given } = options;
    checkUnchanged(
      out,
      past.config,
      { decoder, training: given, vocabulary: givenVocabulary(options) },
      config.dataset,
    );
  }

  const sizes = { featureSize: features.dimension, vocabularySize: vocabulary.size };
  const { mean, std } = featureStatistics(features, photos);
  const statistics = decoderConfig.normalizeFeatures && { featureMean: mean, featureStd: std };
  const given = past?.weights ?? (before && warmStartWeights(before.weights, start.sameEncoder ? {} : { mean, std }));
  const makeDecoder = () =>
    new Decoder(decoderConfig, sizes, {
      random: new Random(training.seed),
      ...(given ? { weights: given } : { vectors: vectors?.matrix, ...statistics }),
    });
  const references = data.devReferences.slice(0, dev.length);
  const validation = new Validation({ photos: devPhotos, references, features, vocabulary }, devBuckets, training);
  const own = past ? ownEncoder(findCheckpoint(runFolders(out).last)) : start?.sameEncoder && ownEncoder(start.folder);
  const graphs = past?.graphs ?? (await exportGraphs(decoderConfig, sizes));
  const history = new History(runFolders(out).history, past?.history);
  const learned = { photos, features, views, buckets };
  const encoder = own ? { encoder: readFileSync(own) } : {};
  const parts = { out, config, vocabulary, graphs, ...encoder, ...learned, validation, history, slots: past?.slots };
  return { parts, makeDecoder };
}

/** The decoder as ONNX files: only the 'onnx' backend writes them, and their weights do not matter. */
async function exportGraphs(config: DecoderConfig, sizes: Decoder['sizes']): Promise<ReadonlyMap<string, Uint8Array>> {
  await useBackend('onnx');
  const decoder = new Decoder(config, sizes);
  try {
    return exportDecoder(decoder);
  } finally {
    decoder.dispose();
  }
}

const givenVocabulary = ({ vocabulary }: CaptionerTrainingOptions) =>
  vocabulary instanceof Vocabulary ? undefined : vocabulary;

const vocabularyConfig = (options: CaptionerTrainingOptions) => parseConfig(VocabularyConfig, givenVocabulary(options));

function chooseVocabulary(
  options: CaptionerTrainingOptions,
  data: TokenizedData,
  past: PastRun | undefined,
): Vocabulary {
  const { vocabulary, out } = options;
  if (!(vocabulary instanceof Vocabulary)) return past?.vocabulary ?? buildVocabulary(data, vocabulary);
  if (past && past.vocabulary.words.join('\n') !== vocabulary.words.join('\n')) {
    throw new CaptionerError('mismatch', `The run in ${out} has another vocabulary. Resume it without giving one.`);
  }
  return vocabulary;
}
