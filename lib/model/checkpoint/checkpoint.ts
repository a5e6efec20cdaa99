import { existsSync } from 'node:fs';
import path from 'node:path';
import { differingPreparation, type EncoderIdentity } from '../../data/features/encoder-identity.js';
import { CaptionerError } from '../../errors.js';
import { utf8 } from '../../files/bytes.js';
import { checksumOf } from '../../files/crc32.js';
import { sha256OfBytes } from '../../files/checksum.js';
import { completeFolder, readFolderFile, readFolderJson, replaceFolder } from '../../files/folder.js';
import { decodeSafetensors, safetensorsParts, type Storage, type Weights } from '../../files/safetensors.js';
import { isSameNetwork } from '../encoder/registry.js';
import {
  encoderFileName,
  int8EncoderFileName,
  tunedLayersFileName,
  type Checkpoint,
  type CheckpointConfig,
} from './checkpoint-config.js';
import { readCheckpoint } from './read-checkpoint.js';

export * from './checkpoint-config.js';

/** The state that an exact resume needs besides the checkpoint. */
export interface ResumeState<S> {
  /** The optimiser's arrays by name. */
  readonly slots: Weights;
  /** Counters, as JSON. */
  readonly state: S;
}

/** Options of {@link saveCheckpoint}. */
export interface SaveOptions {
  /** Number format of the weights: fp16 halves the file and rounds to 3 digits, int8 quarters it. Default fp32. */
  readonly storage?: Storage;
  /** Text of README.md, the model's card. */
  readonly card?: string;
  /** Text of history.jsonl. */
  readonly history?: string | Uint8Array;
  /** Bytes of the encoder's ONNX file, if the checkpoint includes it. */
  readonly encoder?: Uint8Array;
  /** Bytes of the file of its fine-tuned layers, in place of the whole encoder. */
  readonly tunedLayers?: Uint8Array | undefined;
  /** Bytes of the encoder's ONNX file in 8 bits. Without them, a checkpoint has none, whatever its config says. */
  readonly int8Encoder?: Uint8Array | undefined;
  readonly resume?: ResumeState<unknown>;
}

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

/** The encoder's file in a checkpoint that includes it. @param folder as {@link findCheckpoint} gives it. */
export function ownEncoder(folder: string): string | undefined {
  return fileIn(folder, encoderFileName);
}

/** The file of the encoder's fine-tuned layers in a checkpoint that has it. @param folder as {@link findCheckpoint} gives it. */
export function ownTunedLayers(folder: string): string | undefined {
  return fileIn(folder, tunedLayersFileName);
}

function fileIn(folder: string, name: string): string | undefined {
  const file = path.join(folder, name);
  return existsSync(file) ? file : undefined;
}

/**
 * The source of a checkpoint's encoder: the included file of the whole encoder or of its fine-tuned layers, or a name in the registry.
 * @throws CaptionerError `not-found`: it was fine-tuned, and the file is missing.
 */
export function encoderOf(
  folder: string,
  { encoder, finetuned }: Pick<CheckpointConfig, 'encoder' | 'finetuned'>,
): string {
  const own = ownEncoder(folder) ?? ownTunedLayers(folder);
  if (own !== undefined || !finetuned) return own ?? encoder.name;
  throw new CaptionerError('not-found', `There is no ${path.join(folder, encoderFileName)}. ${incomplete}`);
}

/** Writes a checkpoint folder, all or nothing: a kill at any moment leaves the former one or this one, whole. */
export function saveCheckpoint(folder: string, checkpoint: Checkpoint, options: SaveOptions = {}): void {
  const { vocabulary, weights, graphs } = checkpoint;
  if (completeFolder(folder)) {
    readFolderFile(folder, 'config.json', 'The folder is not a checkpoint and is not replaced. Choose another one.');
  }
  const { storage, card, history, encoder, tunedLayers, int8Encoder, resume } = options;
  const int8 = int8Encoder && { sha256: sha256OfBytes(int8Encoder) };
  const config: CheckpointConfig = { ...checkpoint.config, int8Encoder: int8 }; // JSON leaves undefined out
  const words = utf8(`${JSON.stringify(vocabulary.toJSON())}\n`);
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
    ...(tunedLayers && { [tunedLayersFileName]: tunedLayers }),
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

/**
 * The folder of a checkpoint: `folder` itself, or the `best` (else the `last`) checkpoint in a training run's folder.
 * @throws CaptionerError `not-found`
 */
export function findCheckpoint(folder: string): string {
  const found = [folder, path.join(folder, 'best'), path.join(folder, 'last')]
    .map((candidate) => completeFolder(candidate))
    .find((candidate) => candidate !== undefined && existsSync(path.join(candidate, 'config.json')));
  if (found) return found;
  throw new CaptionerError('not-found', `There is no checkpoint in ${folder} (no config.json).`);
}

/**
 * Reads a checkpoint folder, or the best checkpoint of a training run's folder, and checks that its parts fit each other.
 *
 * @throws CaptionerError `not-found`, `corrupt` (a damaged file, another version), `mismatch` (parts that do not fit), each
 * naming the file and the field.
 */
export function loadCheckpoint(folder: string): Checkpoint {
  const found = findCheckpoint(folder);
  return readCheckpoint(
    (name) => readFolderFile(found, name, incomplete),
    (name) => path.join(found, name),
  );
}

/**
 * Reads what {@link SaveOptions.resume} wrote.
 * @throws CaptionerError `not-found` in a checkpoint that holds none, `corrupt`.
 */
export function loadResumeState(folder: string): ResumeState<unknown> {
  const remedy = 'This checkpoint can be used, but its training cannot be resumed.';
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
  if (isSameNetwork(encoder, ours) || encoder.sha256 === config.trainedOn) {
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
