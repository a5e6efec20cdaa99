import { statSync } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { ConvNetConfig, DistillationConfig, PhotoViews } from '../../config.js';
import type { PhotoEncoder } from '../../data/features/extraction.js';
import { viewsOf } from '../../data/features/store.js';
import { CaptionerError } from '../../errors.js';
import { readEncoder } from '../../model/encoder/encoder-source.js';
import { completeFolder, readFolderFile, readFolderJson } from '../../files/folder.js';
import { importConvNet } from '../../model/encoder/import-convnet.js';
import { decodeSafetensors, type Weights } from '../../files/safetensors.js';
import { differs, parseTrainerState, refuseChanges, runFolders } from '../loop/run-folder.js';
import type { TrainerState } from '../loop/trainer.js';

/** `config.json` of a run of `distill`. */
export const DistillationRun = z.strictObject({
  kind: z.literal('distillation'),
  /** Version of the library that wrote it. */
  captioner: z.string(),
  name: z.string(),
  teacher: z.strictObject({
    name: z.string(),
    sha256: z.string(),
    dimension: z.int().min(1),
    views: PhotoViews.optional(),
  }),
  network: ConvNetConfig,
  /** What this run began with: another run, what it had seen, and how good it was, or an encoder's file. */
  from: z
    .union([
      z.strictObject({ crops: z.int(), inputSize: z.int(), cosine: z.number() }),
      z.strictObject({ inputSize: z.int(), sha256: z.string() }),
    ])
    .optional(),
  training: DistillationConfig,
  data: z.strictObject({ names: z.array(z.string()), photos: z.int(), devPhotos: z.int() }),
  trained: z.strictObject({ epochs: z.int(), steps: z.int(), crops: z.int() }),
  scores: z.record(z.string(), z.number()),
});
export type DistillationRun = z.output<typeof DistillationRun>;

/** Names of its files, beside those of all runs. */
export const runFiles = { config: 'config.json', encoder: 'encoder.onnx', weights: 'encoder.safetensors' } as const;

/** A run that was stopped, or has ended. */
export interface PastDistillation {
  readonly config: DistillationRun;
  readonly weights: Weights;
  readonly slots: Weights;
  readonly state: TrainerState;
  readonly history: Uint8Array;
}

export function openDistillation(last: string, resume: boolean): PastDistillation | undefined {
  const folder = completeFolder(last);
  if (!folder) return undefined;
  if (!resume) {
    throw new CaptionerError(
      'bad-input',
      `${path.dirname(last)} holds a training run. Resume it, or choose another folder.`,
    );
  }
  return readDistillation(folder);
}

/** A network that another run begins with. */
export interface StartingNetwork {
  readonly network: ConvNetConfig;
  /** What the run is told of it. */
  readonly from: NonNullable<DistillationRun['from']>;
  /** Whether its normalisations are yet to be found. */
  readonly uncalibrated: boolean;
  /** @param mean of the teacher's features, [D] @param std of them, [D] */
  weights(mean: Float32Array, std: Float32Array): ReadonlyMap<string, Float32Array>;
}

/**
 * The network in the folder of another run, or in the ONNX file that was made of it.
 * @throws CaptionerError `not-found`: neither. `mismatch`: the file of another network.
 */
export async function openStartingNetwork(from: string): Promise<StartingNetwork> {
  if (statSync(from, { throwIfNoEntry: false })?.isFile()) {
    const source = await readEncoder(from);
    const { network, weights } = importConvNet(source);
    return { network, from: { inputSize: network.inputSize, sha256: source.sha256 }, uncalibrated: true, weights };
  }
  const folder = completeFolder(runFolders(from).last);
  if (!folder) throw new CaptionerError('not-found', `${from} holds no run of captioner distill to begin with.`);
  const { config, state, weights } = readDistillation(folder);
  const { inputSize } = config.network;
  const before = config.from && 'crops' in config.from ? config.from.crops : 0;
  return {
    network: config.network,
    from: { crops: config.trained.crops + before, inputSize, cosine: state.bestScores.cosine },
    uncalibrated: false,
    weights: () => valuesOf(weights),
  };
}

/** Arrays without their shapes. */
export const valuesOf = (weights: Weights): Map<string, Float32Array> =>
  new Map([...weights].map(([name, { data }]) => [name, data]));

/** More blocks begin as the identity; all else must have the shape it had. */
export function checkFits(from: string, { network: before }: StartingNetwork, now: ConvNetConfig): void {
  if (before.width === now.width && before.blocks <= now.blocks) return;
  throw new CaptionerError(
    'mismatch',
    `The network in ${from} has width ${before.width} and ${before.blocks} blocks: one that begins with it has the same width, and as many blocks or more.`,
  );
}

function readDistillation(folder: string): PastDistillation {
  const remedy = 'This run can not be resumed.';
  const read = (file: string) => readFolderFile(folder, file, remedy);
  const arrays = (file: string) => decodeSafetensors(read(file), path.join(folder, file)).weights;
  const config = DistillationRun.safeParse(readFolderJson(folder, runFiles.config, remedy));
  if (!config.success) {
    const { path: field, message } = config.error.issues[0];
    throw new CaptionerError('corrupt', `${path.join(folder, runFiles.config)}: ${field.join('.')}: ${message}.`);
  }
  return {
    config: config.data,
    weights: arrays(runFiles.weights),
    slots: arrays('optimizer.safetensors'),
    state: parseTrainerState(readFolderJson(folder, 'state.json', remedy), path.join(folder, 'state.json')),
    history: read('history.jsonl'),
  };
}

/** What may change when a run goes on: what it has learned so far stays what it is. */
const changeable: readonly string[] = ['epochs', 'views', 'saveEvery', 'backend', 'teacher'];

export function refuseOther(
  out: string,
  past: DistillationRun,
  now: { network: ConvNetConfig; training: DistillationConfig; teacher: PhotoEncoder },
): void {
  for (const section of ['network', 'training'] as const) {
    refuseChanges(out, past[section], now[section], (name) => changeable.includes(name));
  }
  const { identity } = now.teacher;
  if (past.teacher.sha256 !== identity.sha256) throw differs(out, 'the teacher', past.teacher.name, identity.name);
  if (viewsOf(past.teacher) !== viewsOf(identity)) {
    throw differs(out, "the teacher's views", viewsOf(past.teacher), viewsOf(identity));
  }
}
