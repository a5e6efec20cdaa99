import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { sha256OfBytes } from '../files/checksum.js';
import { CaptionerError } from '../errors.js';
import {
  checkEncoder,
  findCheckpoint,
  loadCheckpoint,
  ownEncoder,
  saveCheckpoint,
  type CheckpointConfig,
} from '../model/checkpoint/checkpoint.js';
import { modelCard, type TestReport } from './card.js';

export interface CheckpointExport {
  /** How weights are stored: fp16 halves the files and rounds to 3 digits. */
  readonly precision: 'fp32' | 'fp16';
  /** An encoder's ONNX file to take along, so that captioning needs nothing else. Default: the one in the checkpoint, if any. */
  readonly encoder?: string;
  /** What `captioner evaluate` wrote, for the card. */
  readonly report?: TestReport;
  /** What else its users should know, for the card: Markdown. */
  readonly about?: string;
}

/**
 * Writes a trained captioner as a small checkpoint to pass on: what captioning needs, and its card.
 *
 * @param from a checkpoint or a training run.
 * @param out folder; a checkpoint that is there is replaced.
 * @returns the folder of the checkpoint that was taken.
 * @throws CaptionerError `not-found`, `corrupt`; `mismatch`: the encoder is not the one whose features it was trained on.
 */
export async function exportCheckpoint(from: string, out: string, options: CheckpointExport): Promise<string> {
  const { precision, report, about } = options;
  const found = findCheckpoint(from);
  const checkpoint = loadCheckpoint(found);
  const file = options.encoder ?? ownEncoder(found);
  const own = file === undefined ? undefined : await takeAlong(file, checkpoint.config, precision);
  const config = own ? { ...checkpoint.config, encoder: own.identity } : checkpoint.config;
  // That of the whole run, where there is one, goes on past the best epoch.
  const history = [from, found].map((place) => path.join(place, 'history.jsonl')).find((place) => existsSync(place));
  saveCheckpoint(
    out,
    { ...checkpoint, config },
    {
      precision,
      ...(own && { encoder: own.bytes }),
      card: modelCard(config, report, about),
      ...(history !== undefined && { history: await readFile(history) }),
    },
  );
  return found;
}

/** An encoder in the wanted precision, and who it is then. */
async function takeAlong(file: string, config: CheckpointConfig, precision: 'fp32' | 'fp16') {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(file);
  } catch (cause) {
    throw new CaptionerError('not-found', `The encoder ${file} can't be read (${(cause as Error).message}).`, {
      cause,
    });
  }
  const identity = { ...config.encoder, sha256: sha256OfBytes(bytes) };
  checkEncoder(config, identity, `Features of ${file}`);
  if (precision === 'fp32') return { bytes, identity };
  const { storeWeightsAsFloat16 } = await import('../onnx/half-precision.js');
  const halved = storeWeightsAsFloat16(bytes);
  return { bytes: halved, identity: { ...identity, sha256: sha256OfBytes(halved) } };
}
