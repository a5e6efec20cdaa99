import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { hashOfFile } from '../../files/checksum.js';
import { projectFolder } from '../../files/package.js';
import { encoderOfFile } from '../encoder/registry.js';
import { encoderOf, ownEncoder, type CheckpointConfig } from './checkpoint.js';

/** The copy of an encoder's file that the checkpoints of a training run share. @param out the run's folder. */
export const runEncoder = (out: string): string => path.join(out, 'encoder.onnx');

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
  if (ownEncoder(folder) !== undefined || config.finetuned) return encoderOf(folder, config);
  const registered = encoderOfFile(sha256);
  if (registered) return registered.name;
  const files = [runEncoder(path.join(folder, '..')), ...shippedEncoders()].filter((file) => existsSync(file));
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

function unknownEncoder(folder: string, { encoder }: CheckpointConfig): CaptionerError {
  return new CaptionerError(
    'not-found',
    `${folder} was trained on features of the encoder file '${encoder.name}' (sha256 ${encoder.sha256.slice(0, 12)}), which is not ` +
      `in the registry or beside the checkpoint. Name that ONNX file with --encoder (option 'encoder'), or include it with 'captioner export --encoder'.`,
  );
}

/** The encoders' files in the shipped checkpoints. */
function shippedEncoders(): string[] {
  const shipped = path.join(projectFolder, 'checkpoints');
  if (!existsSync(shipped)) return [];
  return readdirSync(shipped).flatMap((name) => ownEncoder(path.join(shipped, name)) ?? []);
}
