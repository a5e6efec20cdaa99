import { existsSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import {
  DecoderConfig,
  FinetuneConfig,
  ReinforcementConfig,
  savedConfig,
  TrainingConfig,
  VocabularyConfig,
} from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { differingPreparation, EncoderIdentity } from '../../data/features/encoder-identity.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { isSameNetwork } from '../encoder/registry.js';
import { completeFolder, readFolderFile, readFolderJson, replaceFolder } from '../../files/folder.js';
import { decoderParameters } from '../parameters.js';
import { sha256OfBytes } from '../../files/checksum.js';
import { checksumOf, decodeSafetensors, safetensorsParts, type Weights } from '../../files/safetensors.js';

/** The version of the checkpoint format that this library writes and reads. */
const formatVersion = 1;

const Encoder = z.strictObject(EncoderIdentity.shape);
const Dataset = z.strictObject({
  name: z.string(),
  photos: z.int(),
  captions: z.int(),
  devPhotos: z.int(),
  /** Random views of the photos that it could learn from; left out where there were none. */
  randomViews: z.int().optional(),
});
const Trained = z.strictObject({ epochs: z.int(), steps: z.int() });
const Scores = z.record(z.string(), z.number());

/** The confidence of a captioner in its captions, calibrated on photos that it was not trained on. */
export const ConfidenceCalibration = z.strictObject({
  /** A caption is good when its CIDEr-D is at least this. */
  threshold: z.number().min(0),
  /** Logistic regression on the mean ln p of a caption's words, the least of them, and ln of their number. */
  weights: z.strictObject({ mean: z.number(), least: z.number(), length: z.number(), bias: z.number() }),
  /** The photos of the fit, the share of good captions, and the area under the ROC curve among them. */
  fit: z.strictObject({ dataset: z.string(), split: z.string(), photos: z.int(), good: z.number(), auc: z.number() }),
});
export type ConfidenceCalibration = z.output<typeof ConfidenceCalibration>;

/** `config.json` of a checkpoint: all that must be known to use its weights, and where they come from. */
export const CheckpointConfig = z.strictObject({
  format: z.literal(formatVersion),
  /** Version of the library that wrote it. */
  captioner: z.string(),
  /** The CNN that the features come from, and which views of a photo they are the mean of. */
  encoder: Encoder,
  decoder: DecoderConfig,
  vocabulary: VocabularyConfig,
  vocabularySize: z.int().min(4),
  training: savedConfig(TrainingConfig),
  /** The data it was trained on. */
  dataset: Dataset,
  /** The extent of the training. */
  trained: Trained,
  /** The trained captioner that its training began with, where it did: of which encoder, how far it was trained, and on what. */
  from: z.strictObject({ encoder: Encoder, trained: Trained, datasets: z.array(Dataset).min(1) }).optional(),
  /** Scores on the dev photos, as fractions (CIDEr: as it is). */
  scores: Scores,
  /** Where encoder and decoder were trained together afterwards: how, how far, on what, and which encoder it began with. */
  finetuned: z
    .strictObject({ config: savedConfig(FinetuneConfig), trained: Trained, dataset: Dataset, from: Encoder })
    .optional(),
  /** Where the decoder then learned from the scores of its own captions: how, how far, and on what. */
  reinforced: z
    .strictObject({ config: savedConfig(ReinforcementConfig), trained: Trained, dataset: Dataset })
    .optional(),
  /** Options of the search that were chosen for this captioner on dev: the defaults of its searches. */
  search: z.strictObject({ repeatWords: z.boolean().optional() }).optional(),
  /** Calibration of its captions' confidence, where it was calibrated. */
  confidence: ConfidenceCalibration.optional(),
  /** Checksum of the encoder's file in 8 bits, where it has one. */
  int8Encoder: z.strictObject({ sha256: z.string() }).optional(),
});
export type CheckpointConfig = z.output<typeof CheckpointConfig>;

/** The data of the last phase of its training. */
export const lastDataset = ({ dataset, finetuned, reinforced }: CheckpointConfig) =>
  (reinforced ?? finetuned)?.dataset ?? dataset;

/** The data of all phases of its training, each data set once, in their order. */
export function allDatasets({ from, dataset, finetuned, reinforced }: CheckpointConfig) {
  const phases = [...(from?.datasets ?? []), dataset, finetuned?.dataset, reinforced?.dataset];
  const datasets = phases.filter((phase) => phase !== undefined);
  return datasets.filter(({ name }, i) => datasets.findIndex((other) => other.name === name) === i);
}

/** A trained decoder with all that captioning needs, the encoder apart. */
export interface Checkpoint {
  readonly config: CheckpointConfig;
  readonly vocabulary: Vocabulary;
  /** The decoder's arrays by name. */
  readonly weights: Weights;
  /** ONNX files of the decoder without weights, by file name: see `exportDecoder`. */
  readonly graphs: ReadonlyMap<string, Uint8Array>;
}

/** The state that an exact resume needs besides the checkpoint. */
export interface ResumeState<S> {
  /** The optimiser's arrays by name. */
  readonly slots: Weights;
  /** Counters, as JSON. */
  readonly state: S;
}

export interface SaveOptions {
  /** Number format of the weights: fp16 halves the file and rounds to 3 digits. Default fp32. */
  readonly storage?: 'fp32' | 'fp16';
  /** Text of README.md, the model's card. */
  readonly card?: string;
  /** Text of history.jsonl. */
  readonly history?: string | Uint8Array;
  /** Bytes of the encoder's ONNX file, where it is one of the checkpoint's own. */
  readonly encoder?: Uint8Array;
  /** Bytes of the encoder's ONNX file in 8 bits. Without them, a checkpoint has none, whatever its config says. */
  readonly int8Encoder?: Uint8Array | undefined;
  readonly resume?: ResumeState<unknown>;
}

/** Names of the ONNX files in a checkpoint. */
export const graphFiles = { start: 'decoder-start.onnx', step: 'decoder.onnx' } as const;

/** Name of the encoder's file in a checkpoint that has one of its own. */
const encoderFileName = 'encoder.onnx';

/** Name of the encoder's file in 8 bits in a checkpoint that has one. */
export const int8EncoderFileName = 'encoder.int8.onnx';

/**
 * The encoder's file in 8 bits in a checkpoint that has one.
 * @throws CaptionerError `not-found`: it is missing.
 */
export function ownInt8Encoder(
  folder: string,
  { int8Encoder }: Pick<CheckpointConfig, 'int8Encoder'>,
): string | undefined {
  const file = path.join(folder, int8EncoderFileName);
  if (!int8Encoder || existsSync(file)) return int8Encoder && file;
  throw new CaptionerError('not-found', `There is no ${file}. ${incomplete}`);
}

/** The encoder's file in a checkpoint that has one of its own. @param folder as {@link findCheckpoint} gives it. */
export function ownEncoder(folder: string): string | undefined {
  const file = path.join(folder, encoderFileName);
  return existsSync(file) ? file : undefined;
}

/**
 * Where a checkpoint's encoder is: a file of its own, or a name of the registry.
 * @throws CaptionerError `not-found`: it was fine-tuned, and the file is missing.
 */
export function encoderOf(
  folder: string,
  { encoder, finetuned }: Pick<CheckpointConfig, 'encoder' | 'finetuned'>,
): string {
  const own = ownEncoder(folder);
  if (own !== undefined || !finetuned) return own ?? encoder.name;
  throw new CaptionerError('not-found', `There is no ${path.join(folder, encoderFileName)}. ${incomplete}`);
}

/** Writes a checkpoint folder, all or nothing: a kill at any moment leaves the former one or this one, whole. */
export function saveCheckpoint(folder: string, checkpoint: Checkpoint, options: SaveOptions = {}): void {
  const { vocabulary, weights, graphs } = checkpoint;
  if (completeFolder(folder)) {
    readFolderFile(folder, 'config.json', 'The folder is not a checkpoint and is not replaced. Choose another one.');
  }
  const { storage, card, history, encoder, int8Encoder, resume } = options;
  const int8 = int8Encoder && { sha256: sha256OfBytes(int8Encoder) };
  const config: CheckpointConfig = { ...checkpoint.config, int8Encoder: int8 }; // JSON leaves undefined out
  const words = Buffer.from(`${JSON.stringify(vocabulary.toJSON())}\n`);
  replaceFolder(folder, {
    'config.json': `${JSON.stringify(config, null, 2)}\n`,
    'vocab.json': words,
    'decoder.safetensors': safetensorsParts(
      weights,
      storage,
      checksums({ ...Object.fromEntries(graphs), 'vocab.json': words }),
    ),
    ...Object.fromEntries(graphs),
    ...(encoder && { [encoderFileName]: encoder }),
    ...(int8Encoder && { [int8EncoderFileName]: int8Encoder }),
    ...(card !== undefined && { 'README.md': card }),
    ...(history !== undefined && { 'history.jsonl': history }),
    ...(resume && {
      'optimizer.safetensors': safetensorsParts(resume.slots),
      'state.json': `${JSON.stringify(resume.state, null, 2)}\n`,
    }),
  });
}

/** Header entries of a safetensors file for the files beside it: `crc32:vocab.json` and its CRC-32. */
function checksums(files: Readonly<Record<string, Uint8Array>>): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, bytes]) => [`crc32:${name}`, checksumOf([bytes])]));
}

/** Checks a file against {@link checksums}; there are none in checkpoints of earlier versions. */
function checkFile(folder: string, name: string, bytes: Uint8Array, metadata: Readonly<Record<string, string>>): void {
  const expected = metadata[`crc32:${name}`];
  if (expected === undefined || expected === checksumOf([bytes])) return;
  throw new CaptionerError(
    'corrupt',
    `${path.join(folder, name)} is damaged, or belongs to another checkpoint: its checksum is not the one that was saved with the weights. Copy the ` +
      'whole folder again, or train it again.',
  );
}

/**
 * The folder of a checkpoint: `folder` itself, or the `best` (else the `last`) checkpoint in a training run's folder.
 * @throws CaptionerError `not-found`
 */
export function findCheckpoint(folder: string): string {
  const found = [folder, path.join(folder, 'best'), path.join(folder, 'last')]
    .map((candidate) => completeFolder(candidate))
    .find((candidate) => candidate !== undefined && existsSync(path.join(candidate, 'config.json')));
  if (found) return found;
  throw new CaptionerError('not-found', `There is no checkpoint in ${folder}: no config.json is there.`);
}

/**
 * Reads a checkpoint folder, or the best checkpoint of a training run's folder, and checks that its parts fit each other.
 *
 * @throws CaptionerError `not-found`, `corrupt` (a damaged file, another version), `mismatch` (parts that do not fit), each
 * naming the file and the field.
 */
export function loadCheckpoint(folder: string): Checkpoint {
  const found = findCheckpoint(folder);
  const config = readConfig(found);
  const vocabulary = readVocabulary(found, config);
  const file = path.join(found, 'decoder.safetensors');
  const { weights, metadata } = decodeSafetensors(readFolderFile(found, 'decoder.safetensors', incomplete), file);
  checkWeights(config, weights, file);
  checkFile(found, 'vocab.json', readFolderFile(found, 'vocab.json', incomplete), metadata);
  const graphs = Object.values(graphFiles).map((name) => [name, readFolderFile(found, name, incomplete)] as const);
  for (const [name, bytes] of graphs) checkFile(found, name, bytes, metadata);
  return { config, vocabulary, weights, graphs: new Map(graphs) };
}

/**
 * Reads what {@link SaveOptions.resume} wrote.
 * @throws CaptionerError `not-found` in a checkpoint that holds none, `corrupt`.
 */
export function loadResumeState(folder: string): ResumeState<unknown> {
  const remedy = 'This checkpoint can be used, but its training can not be resumed.';
  const bytes = readFolderFile(folder, 'optimizer.safetensors', remedy);
  const { weights: slots } = decodeSafetensors(bytes, path.join(folder, 'optimizer.safetensors'));
  return { slots, state: readFolderJson(folder, 'state.json', remedy) };
}

/**
 * Checks that features come from the encoder that a checkpoint was trained with, and from photos that were prepared in the same way.
 * @param source whose features these are, for the message.
 * @throws CaptionerError `mismatch`
 */
export function checkEncoder(config: CheckpointConfig, encoder: EncoderIdentity, source: string): void {
  const ours = config.encoder;
  if (isSameNetwork(encoder, ours)) {
    const other = differingPreparation(encoder, ours);
    if (!other) return;
    throw new CaptionerError(
      'mismatch',
      `${source} have the ${other.what} '${other.a}', but the checkpoint was trained with '${other.b}'. Use features that ` +
        `captioner extract ${other.options} made, or a checkpoint trained on these.`,
    );
  }
  const field = encoder.dimension === ours.dimension ? 'sha256' : 'dimension';
  const described = ({ name, [field]: value }: EncoderIdentity) => `'${name}' (${field} ${String(value).slice(0, 12)})`;
  throw new CaptionerError(
    'mismatch',
    `${source} come from the encoder ${described(encoder)}, but the checkpoint was trained with ${described(ours)}. Use features of ` +
      'that encoder, or a checkpoint trained on these.',
  );
}

const incomplete = 'The checkpoint is incomplete: copy the whole folder.';

function readConfig(folder: string): CheckpointConfig {
  const file = path.join(folder, 'config.json');
  const json = readFolderJson(folder, 'config.json', incomplete);
  const { format, captioner } = (json ?? {}) as { format?: unknown; captioner?: unknown };
  if (typeof format === 'number' && format > formatVersion) {
    throw new CaptionerError(
      'corrupt',
      `${file}: format ${format} was written by captioner ${String(captioner)}; this one reads up to ${formatVersion}. Update it.`,
    );
  }
  const result = CheckpointConfig.safeParse(json);
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => [issue.path.join('.'), issue.message].filter(Boolean).join(': '));
  throw new CaptionerError('corrupt', `${file} is damaged or of another version: ${problems.join('; ')}.`);
}

function readVocabulary(folder: string, config: CheckpointConfig): Vocabulary {
  const file = path.join(folder, 'vocab.json');
  const json = readFolderJson(folder, 'vocab.json', incomplete);
  let vocabulary: Vocabulary;
  try {
    vocabulary = Vocabulary.fromJSON(json);
  } catch (cause) {
    throw new CaptionerError('corrupt', `${file}: ${(cause as Error).message}`, { cause });
  }
  if (vocabulary.size !== config.vocabularySize) {
    throw new CaptionerError(
      'mismatch',
      `${file} has ${vocabulary.size} words, but vocabularySize in config.json is ${config.vocabularySize}: they belong to ` +
        'different checkpoints.',
    );
  }
  return vocabulary;
}

function checkWeights(config: CheckpointConfig, weights: Weights, file: string): void {
  const sizes = { featureSize: config.encoder.dimension, vocabularySize: config.vocabularySize };
  const parameters = decoderParameters(config.decoder, sizes);
  const refuse = (what: string) =>
    new CaptionerError(
      'mismatch',
      `${file} does not fit its config.json: ${what}. They belong to different checkpoints.`,
    );
  for (const { name, shape } of parameters) {
    const weight = weights.get(name);
    if (!weight) throw refuse(`'${name}' is missing`);
    if (weight.shape.join() !== shape.join()) {
      throw refuse(`'${name}' has shape [${weight.shape.join(', ')}] instead of [${shape.join(', ')}]`);
    }
  }
  const known = new Set(parameters.map(({ name }) => name));
  const stranger = [...weights.keys()].find((name) => !known.has(name));
  if (stranger !== undefined) throw refuse(`'${stranger}' is not part of such a decoder`);
}
