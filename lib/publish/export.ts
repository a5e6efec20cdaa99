import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { sha256OfBytes } from '../files/checksum.js';
import type { Storage } from '../files/safetensors.js';
import { CaptionerError } from '../errors.js';
import {
  checkEncoder,
  findCheckpoint,
  loadCheckpoint,
  ownInt8Encoder,
  saveCheckpoint,
  type CheckpointConfig,
} from '../model/checkpoint/checkpoint.js';
import { findEncoder, locateEncoder } from '../model/checkpoint/find-encoder.js';
import { readEncoderMetadata } from '../model/encoder/encoder-file.js';
import { describeEncoder, readEncoder, type EncoderSource } from '../model/encoder/encoder-source.js';
import { isSameNetwork, registeredEncoder } from '../model/encoder/registry.js';
import { modelCard, type TestReport } from './card.js';
import type { Int8Calibration } from './int8-encoder.js';
import { pruneVocabulary } from './prune-vocabulary.js';

/** Options of {@link exportCheckpoint}. */
export interface CheckpointExport {
  /** Number format of the weights: fp16 halves the files and rounds to 3 digits, int8 quarters them. */
  readonly storage: Storage;
  /**
   * An encoder's ONNX file to include, so that captioning needs no other file. Default: the one in the checkpoint, or that of a
   * shipped checkpoint, if it is the same.
   */
  readonly encoder?: string;
  /**
   * Name of the registered encoder that the encoder was fine-tuned from. Its fine-tuned layers are then included in place of the
   * whole encoder, and captioning needs the registered encoder too.
   */
  readonly encoderBase?: string;
  /** Receives a warning about a checkpoint that cannot caption by itself. */
  readonly warn?: (message: string) => void;
  /** Results of `captioner evaluate`, for the card. */
  readonly report?: TestReport;
  /** Size of the vocabulary to keep: the most frequent words, including the four special tokens. Default: all. */
  readonly maxWords?: number;
  /** Adds the encoder in 8 bits, calibrated on photos. Default: the one that the checkpoint has, if any. */
  readonly int8?: Int8Calibration | undefined;
  /** Further information for users, for the card: Markdown. */
  readonly about?: string;
}

/**
 * Writes a trained captioner as a small checkpoint for distribution: the files that captioning needs, and a model card.
 *
 * @param from a checkpoint or a training run.
 * @param out folder; an existing checkpoint is replaced.
 * @returns the folder of the checkpoint that was exported.
 * @throws CaptionerError `not-found`, `corrupt`; `mismatch`: the captioner was trained on features of another encoder.
 */
export async function exportCheckpoint(from: string, out: string, options: CheckpointExport): Promise<string> {
  const { storage, report, about } = options;
  const found = findCheckpoint(from);
  const whole = loadCheckpoint(found);
  const checkpoint = options.maxWords === undefined ? whole : pruneVocabulary(whole, options.maxWords);
  const file = options.encoder ?? (await unregisteredEncoder(found, checkpoint.config, options.warn));
  const own = file === undefined ? undefined : await includedEncoder(file, checkpoint.config, options);
  const config = own ? withEncoder(checkpoint.config, own.identity) : checkpoint.config;
  // The history of the whole run, if there is one, continues past the best epoch.
  const history = [from, found].map((place) => path.join(place, 'history.jsonl')).find((place) => existsSync(place));
  const int8Encoder = await int8Bytes(found, config, own, options);
  saveCheckpoint(
    out,
    { ...checkpoint, config },
    {
      storage,
      ...(own && { [own.tuned ? 'tunedLayers' : 'encoder']: own.bytes }),
      int8Encoder,
      card: modelCard({ ...config, int8Encoder: int8Encoder && { sha256: sha256OfBytes(int8Encoder) } }, report, about),
      ...(history !== undefined && { history: await readFile(history) }),
    },
  );
  return found;
}

/** The config with its encoder stored in another number format. Features of the former file still fit. */
function withEncoder(config: CheckpointConfig, encoder: CheckpointConfig['encoder']): CheckpointConfig {
  const { sha256 } = config.encoder;
  const trainedOn = config.trainedOn ?? (encoder.sha256 === sha256 ? undefined : sha256);
  return { ...config, encoder, ...(trainedOn !== undefined && { trainedOn }) };
}

/** The encoder in 8 bits: converted now, or the checkpoint's own where that still fits. */
async function int8Bytes(
  folder: string,
  config: CheckpointConfig,
  own: IncludedEncoder | undefined,
  { int8, warn }: CheckpointExport,
): Promise<Uint8Array | undefined> {
  if (int8) {
    const source = own?.source ?? (await readEncoder(await locateEncoder(folder, config), int8));
    const { convertToInt8 } = await import('./int8-encoder.js');
    return await convertToInt8(source, { ...int8, warn }, config.encoder.normalisation);
  }
  const former = ownInt8Encoder(folder, config);
  if (former === undefined) return undefined;
  const bytes = await readFile(former);
  const network = readEncoderMetadata(bytes, former)?.int8?.network ?? '';
  if (isSameNetwork({ ...config.encoder, sha256: network }, config.encoder)) return bytes;
  warn?.('The encoder in 8 bits is left out: it was made from another file. Make one with --encoder-precision int8.');
  return undefined;
}

/** The encoder's file, unless its name is enough to find it. */
async function unregisteredEncoder(
  folder: string,
  config: CheckpointConfig,
  warn: CheckpointExport['warn'],
): Promise<string | undefined> {
  const encoder = await findEncoder(folder, config);
  if (encoder === undefined) {
    warn?.(
      `The checkpoint lacks its encoder, the file '${config.encoder.name}', which is not in the registry. Export it with ` +
        '--encoder <file>, or name that file each time you caption.',
    );
  }
  return encoder !== undefined && existsSync(encoder) && /\.(onnx|safetensors)$/.test(encoder) ? encoder : undefined;
}

/** An encoder as a checkpoint includes it. */
interface IncludedEncoder {
  /** The file's content. */
  readonly bytes: Uint8Array;
  /** Whether it holds the fine-tuned layers only. */
  readonly tuned: boolean;
  /** The whole encoder. */
  readonly source: EncoderSource;
  readonly identity: CheckpointConfig['encoder'];
}

/** An encoder's file with its weights in the given format, or its fine-tuned layers, and the identity it then has. */
async function includedEncoder(
  file: string,
  config: CheckpointConfig,
  { storage, encoderBase }: CheckpointExport,
): Promise<IncludedEncoder> {
  const whole = await readWhole(file);
  const identity = { ...config.encoder, sha256: whole.sha256 };
  checkEncoder(config, identity, `Features of ${file}`);
  const withSource = (bytes: Uint8Array, tuned: boolean, source: EncoderSource) => {
    return { bytes, tuned, source, identity: { ...identity, sha256: source.sha256 } };
  };
  if (file.endsWith('.safetensors')) return withSource(await readFile(file), true, whole);
  if (encoderBase !== undefined) {
    const { applyTunedLayers, encodeTunedLayers } = await import('../model/encoder/tuned-layers.js');
    const base = await readEncoder(registeredEncoder(encoderBase).name);
    const bytes = encodeTunedLayers(whole, base, storage === 'fp32' ? 'fp32' : 'fp16');
    return withSource(bytes, true, applyTunedLayers(bytes, file, base));
  }
  if (storage === 'fp32') return withSource(whole.bytes, false, whole);
  const { storeWeights } = await import('../onnx/weight-storage.js');
  const stored = storeWeights(whole.bytes, storage);
  return withSource(stored, false, describeEncoder(stored, file));
}

async function readWhole(file: string): Promise<EncoderSource> {
  try {
    return file.endsWith('.safetensors') ? await readEncoder(file) : describeEncoder(await readFile(file), file);
  } catch (cause) {
    if (cause instanceof CaptionerError) throw cause;
    throw new CaptionerError('not-found', `The encoder ${file} cannot be read (${(cause as Error).message}).`, {
      cause,
    });
  }
}
