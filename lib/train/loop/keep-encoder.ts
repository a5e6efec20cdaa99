import { existsSync } from 'node:fs';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { explainFileError } from '../../errors.js';
import { temporaryName } from '../../files/temporary-name.js';
import type { CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { findEncoder, runEncoder, runTunedLayers } from '../../model/checkpoint/find-encoder.js';
import { readEncoder } from '../../model/encoder/encoder-source.js';
import type { CaptionerRun } from './training-run.js';

/**
 * Copies the encoder's file into the folder of a run, so that its checkpoints can caption photos. Does
 * nothing if the encoder is found without the copy: in the registry, or in a checkpoint.
 *
 * @param config of the run's checkpoints.
 * @param places where the file may be.
 */
export async function keepEncoder(
  { options, folders, warn }: CaptionerRun,
  config: Pick<CheckpointConfig, 'encoder' | 'finetuned'>,
  places: readonly (string | undefined)[],
): Promise<void> {
  if ((await findEncoder(folders.last, config)) !== undefined) return;
  const { name, sha256 } = config.encoder;
  for (const place of places) {
    if (place === undefined || !existsSync(place)) continue;
    const source = await readEncoder(place);
    if (source.sha256 !== sha256) continue;
    const isWhole = !place.endsWith('.safetensors');
    return await (isWhole
      ? writeWhole(runEncoder(options.out), source.bytes)
      : writeWhole(runTunedLayers(options.out), await readFile(place)));
  }
  const looked = places.find((place) => place !== undefined);
  // Features of an encoder that is not a file have no path.
  if (looked === undefined) return;
  warn(
    `The run can't caption photos by itself: the file of its encoder, '${name}', was not found at ${looked}. Name it with --encoder ` +
      'when you caption or export.',
  );
}

async function writeWhole(file: string, bytes: Uint8Array): Promise<void> {
  const temporary = temporaryName(file);
  try {
    await mkdir(path.dirname(file), { recursive: true });
    await writeFile(temporary, bytes, { flush: true });
    await rename(temporary, file);
  } catch (error) {
    throw explainFileError(error, file);
  } finally {
    await rm(temporary, { force: true });
  }
}
