import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { hashOfFile } from '../../files/checksum.js';
import { projectFolder } from '../../files/package.js';
import { encoderOfFile, encoders } from '../encoder/registry.js';
import { encoderOf, ownEncoder, type CheckpointConfig } from './checkpoint.js';

/**
 * Finds the encoder of a checkpoint: its own file, a name of the registry, or the same file in a
 * shipped checkpoint.
 * @returns a path or a name, as `Encoder.load` takes it; undefined if the file is elsewhere.
 * @throws CaptionerError `not-found`: the checkpoint was fine-tuned, and its file is missing.
 */
export async function findEncoder(folder: string, config: CheckpointConfig): Promise<string | undefined> {
  const { name, sha256 } = config.encoder;
  if (ownEncoder(folder) !== undefined || config.finetuned) return encoderOf(folder, config);
  const registered = encoderOfFile(sha256) ?? encoders.find((encoder) => encoder.name === name);
  return registered?.name ?? (await shippedEncoder(sha256));
}

/**
 * Finds the encoder of a checkpoint as {@link findEncoder} does.
 * @throws CaptionerError `not-found`: the file must be given explicitly.
 */
export async function locateEncoder(folder: string, config: CheckpointConfig): Promise<string> {
  return (await findEncoder(folder, config)) ?? Promise.reject(unknownEncoder(folder, config));
}

function unknownEncoder(folder: string, { encoder }: CheckpointConfig): CaptionerError {
  return new CaptionerError(
    'not-found',
    `${folder} was trained on features of the encoder file '${encoder.name}' (sha256 ${encoder.sha256.slice(0, 12)}), which is not ` +
      `in the registry. Name that ONNX file with --encoder (option 'encoder'), or take it along with 'captioner export --encoder'.`,
  );
}

/** The file with this checksum in a shipped checkpoint. */
async function shippedEncoder(sha256: string): Promise<string | undefined> {
  const shipped = path.join(projectFolder, 'checkpoints');
  if (!existsSync(shipped)) return undefined;
  for (const name of readdirSync(shipped)) {
    const file = ownEncoder(path.join(shipped, name));
    if (file !== undefined && (await hashOfFile(file, 'sha256')) === sha256) return file;
  }
  return undefined;
}
