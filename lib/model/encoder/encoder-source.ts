import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { sha256OfBytes } from '../../files/checksum.js';
import type { FetchOptions } from '../../files/mirror.js';
import { readEncoderMetadata, type EncoderSource } from './encoder-file.js';
import { encoderFile, encoderOfFile, encoders, registeredEncoder } from './registry.js';

export type { EncoderSource } from './encoder-file.js';

/**
 * Reads an encoder's file, and any files beside it that hold its weights.
 * @param nameOrPath a name of the registry, whose file is downloaded if necessary; or the path of
 *   an ONNX file, or of the fine-tuned layers of an encoder of the registry.
 * @throws CaptionerError `bad-option`: there is no such name. `not-found`, `bad-input`: there is no
 *   such file. `download`. `corrupt`.
 */
export async function readEncoder(nameOrPath: string, options: FetchOptions = {}): Promise<EncoderSource> {
  const file = await locate(nameOrPath, options);
  const bytes = await readFile(file);
  if (file.endsWith('.safetensors')) {
    const { applyTunedLayers, baseOfTunedLayers } = await import('./tuned-layers.js');
    return applyTunedLayers(bytes, file, await readEncoder(baseOfTunedLayers(bytes, file), options));
  }
  const sha256 = sha256OfBytes(bytes);
  if (encoderOfFile(sha256) || readEncoderMetadata(bytes, file)) return describeEncoder(bytes, file, sha256);
  const { embedExternalData } = await import('../../onnx/external-data.js');
  return describeEncoder(embedExternalData(bytes, file), file);
}

/** The description of an encoder's bytes. @throws CaptionerError `corrupt`: the metadata of the file are invalid. */
export function describeEncoder(bytes: Uint8Array, file: string, sha256 = sha256OfBytes(bytes)): EncoderSource {
  const registered = encoderOfFile(sha256);
  const known = registered ?? readEncoderMetadata(bytes, file);
  return {
    file,
    bytes,
    sha256,
    name: known?.name ?? path.basename(file).replace(/\.onnx$/i, ''),
    ...(known && { known }),
    headless: registered ? registered.featuresFile?.sha256 === sha256 : known !== undefined,
    registered: registered !== undefined,
  };
}

async function locate(nameOrPath: string, options: FetchOptions): Promise<string> {
  if (encoders.some(({ name }) => name === nameOrPath)) {
    return await encoderFile(registeredEncoder(nameOrPath), options);
  }
  if (existsSync(nameOrPath)) {
    if (statSync(nameOrPath).isDirectory()) {
      throw new CaptionerError('bad-input', `${nameOrPath} is a folder. Name the ONNX file in it.`);
    }
    return nameOrPath;
  }
  if (/[\\/]|\.(onnx|safetensors)$/i.test(nameOrPath))
    throw new CaptionerError('not-found', `There is no file ${nameOrPath}.`);
  return registeredEncoder(nameOrPath).name;
}
