import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { hashOfFile } from '../../files/checksum.js';
import { projectFolder } from '../../files/package.js';
import { readEncoderMetadata } from '../encoder/encoder-file.js';
import { encoderOfFile } from '../encoder/registry.js';
import {
  encoderOf,
  int8EncoderFileName,
  ownEncoder,
  ownInt8Encoder,
  ownTunedLayers,
  tunedLayersFileName,
  type CheckpointConfig,
} from './checkpoint.js';

/** The copy of an encoder's file that the checkpoints of a training run share. @param out the run's folder. */
export const runEncoder = (out: string): string => path.join(out, 'encoder.onnx');

/** The copy of the file of its fine-tuned layers, in place of the whole encoder. @param out the run's folder. */
export const runTunedLayers = (out: string): string => path.join(out, tunedLayersFileName);

/**
 * Finds the encoder of a checkpoint: its own file, a name of the registry, or the same file in the
 * folder of its training run or in a shipped checkpoint.
 * @returns a path or a name, as `Encoder.load` takes it; undefined if the file is elsewhere.
 * @throws CaptionerError `not-found`: the checkpoint was fine-tuned, and its file is missing.
 */
export async function findEncoder(
  folder: string,
  config: Pick<CheckpointConfig, 'encoder' | 'finetuned'>,
): Promise<string | undefined> {
  const { sha256 } = config.encoder;
  if (config.finetuned || ownEncoder(folder) !== undefined || ownTunedLayers(folder) !== undefined) {
    return encoderOf(folder, config);
  }
  const registered = encoderOfFile(sha256);
  if (registered) return registered.name;
  const run = path.join(folder, '..');
  const files = [runEncoder(run), runTunedLayers(run), ...shippedEncoders()].filter((file) => existsSync(file));
  for (const file of files) if ((await hashOfFile(file, 'sha256')) === sha256) return file;
  return undefined;
}

/**
 * Finds the encoder of a checkpoint as {@link findEncoder} does.
 * @throws CaptionerError `not-found`: the file must be given explicitly.
 */
export async function locateEncoder(folder: string, config: CheckpointConfig): Promise<string> {
  return (await findEncoder(folder, config)) ?? Promise.reject(unknownEncoder(folder, config));
}

/**
 * Finds the file of a checkpoint's encoder in 8 bits: its own, or the one that belongs to the file that {@link findEncoder} finds.
 * @returns undefined if there is none.
 * @throws CaptionerError `not-found`: the checkpoint has lost it.
 */
export async function findInt8Encoder(folder: string, config: CheckpointConfig): Promise<string | undefined> {
  const own = ownInt8Encoder(folder, config);
  if (own !== undefined) return own;
  const fp32 = await findEncoder(folder, config);
  return fp32 === undefined ? undefined : int8FormOf(fp32);
}

/**
 * The file of an encoder in 8 bits.
 * @param encoder the path of its file in fp32, beside which `name.int8.onnx` may be; or a name of the registry, for which a shipped
 *   checkpoint may have one.
 */
export function int8FormOf(encoder: string): string | undefined {
  if (existsSync(encoder)) {
    const beside = encoder.replace(/(\.int8)?\.onnx$|\.safetensors$/i, '.int8.onnx');
    return beside !== encoder && !existsSync(beside) ? undefined : beside;
  }
  const files = shippedCheckpoints().map((folder) => path.join(folder, int8EncoderFileName));
  return files.filter((file) => existsSync(file)).find((file) => networkOf(file) === encoder);
}

/** The name in the registry of the network that a file in 8 bits was made from. */
function networkOf(file: string): string | undefined {
  const { int8 } = readEncoderMetadata(readFileSync(file), file) ?? {};
  return int8 && encoderOfFile(int8.network)?.name;
}

function unknownEncoder(folder: string, { encoder }: CheckpointConfig): CaptionerError {
  return new CaptionerError(
    'not-found',
    `${folder} was trained on features of the encoder file '${encoder.name}' (sha256 ${encoder.sha256.slice(0, 12)}), which is not ` +
      `in the registry or beside the checkpoint. Name that ONNX file with --encoder (option 'encoder'), or include it with 'captioner export --encoder'.`,
  );
}

/** The encoders' files in the shipped checkpoints. */
function shippedEncoders(): string[] {
  return shippedCheckpoints().flatMap((folder) => ownEncoder(folder) ?? ownTunedLayers(folder) ?? []);
}

function shippedCheckpoints(): string[] {
  const shipped = path.join(projectFolder, 'checkpoints');
  return existsSync(shipped) ? readdirSync(shipped).map((name) => path.join(shipped, name)) : [];
}
