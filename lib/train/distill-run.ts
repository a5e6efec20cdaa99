import path from 'node:path';
import { z } from 'zod';
import { ConvNetConfig, DistillationConfig, PhotoViews } from '../config.js';
import type { PhotoEncoder } from '../data/extraction.js';
import { viewsOf } from '../data/features.js';
import { CaptionerError } from '../errors.js';
import { completeFolder, readFolderFile, readFolderJson } from '../model/folder.js';
import { decodeSafetensors, type Weights } from '../model/safetensors.js';
import { differs, parseTrainerState, refuseChanges, runFolders } from './run-folder.js';
import type { TrainerState } from './trainer.js';

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
  /** The run that this one began with: what it had seen, and how good it was. */
  from: z.strictObject({ crops: z.int(), inputSize: z.int(), cosine: z.number() }).optional(),
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

/** The run that another one begins with. */
export function openEarlier(from: string): PastDistillation {
  const folder = completeFolder(runFolders(from).last);
  if (!folder) throw new CaptionerError('not-found', `${from} holds no run of captioner distill to begin with.`);
  return readDistillation(folder);
}

/** More blocks begin as the identity; all else must have the shape it had. */
export function checkFits(from: string, { network: before }: DistillationRun, now: ConvNetConfig): void {
  if (before.width === now.width && before.blocks <= now.blocks) return;
  throw new CaptionerError(
    'mismatch',
    `The network in ${from} has width ${before.width} and ${before.blocks} blocks: one that begins with it has the same width, and as many blocks or more.`,
  );
}

/** What another run is told of the one that it begins with. */
export function beginningOf({ config, state }: PastDistillation): DistillationRun['from'] {
  return {
    crops: config.trained.crops + (config.from?.crops ?? 0),
    inputSize: config.network.inputSize,
    cosine: state.bestScores.cosine,
  };
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
