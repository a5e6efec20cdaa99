import { existsSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../files/package.js';
import { CaptionerError } from '../errors.js';
import { encoderSource, registeredEncoder, type RegisteredEncoder } from '../model/encoder/registry.js';

/** A checkpoint that comes with the package. */
export interface ShippedModel {
  readonly name: string;
  /** Its folder. */
  readonly folder: string;
  /** The encoder that must be on this machine; undefined for a model that brings its own. */
  readonly encoder?: RegisteredEncoder;
}

/** The choice among the shipped models. */
export interface ModelChoice {
  readonly model: ShippedModel;
  /** A better model, whose encoder is not on this machine. */
  readonly better?: ShippedModel & { readonly encoder: RegisteredEncoder };
}

/** Names of the shipped checkpoints, the best one first, and the registered encoder that each needs. */
const shipped: readonly { readonly name: string; readonly encoder?: string }[] = [
  { name: 'mobilenetv2', encoder: 'mobilenetv2' },
  { name: 'default' },
];

/** The checkpoints that come with the package, the best one first. */
export function shippedModels(): ShippedModel[] {
  return shipped
    .map(({ name, encoder }) => ({
      ...{ name, folder: path.join(projectFolder, 'checkpoints', name) },
      ...(encoder !== undefined && { encoder: registeredEncoder(encoder) }),
    }))
    .filter(({ folder }) => existsSync(folder));
}

/**
 * Chooses the best shipped model whose encoder is on this machine: in the cache, or in a folder that `CAPTIONER_MIRROR` names.
 * Nothing is downloaded.
 * @throws CaptionerError `not-found`: no checkpoint came with the package.
 */
export function chooseModel(models: readonly ShippedModel[] = shippedModels()): ModelChoice {
  const usable = models.findIndex(({ encoder }) => encoder === undefined || isHere(encoder));
  if (usable < 0) {
    throw new CaptionerError('not-found', 'No checkpoint came with this package. Train one, and name its folder.');
  }
  const better = models.slice(0, usable).find((model) => model.encoder !== undefined);
  return { model: models[usable], ...(better?.encoder && { better: { ...better, encoder: better.encoder } }) };
}

/** The folder of the best shipped model whose encoder is on this machine. @throws CaptionerError as {@link chooseModel}. */
export function defaultCheckpoint(): string {
  return chooseModel().model.folder;
}

/** A mirror that can't be read has no encoder. */
function isHere(encoder: RegisteredEncoder): boolean {
  try {
    return encoderSource(encoder).isHere;
  } catch {
    return false;
  }
}
