import { statSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { ConvNetConfig, DistillationConfig, savedConfig } from '../../config.js';
import type { PhotoEncoder } from '../../data/features/extraction.js';
import { differingPreparation, EncoderIdentity } from '../../data/features/encoder-identity.js';
import { CaptionerError } from '../../errors.js';
import { readEncoder } from '../../model/encoder/encoder-source.js';
import { completeFolder, readFolderFile, readFolderJson } from '../../files/folder.js';
import { importConvNet } from '../../model/encoder/import-convnet.js';
import { decodeSafetensors, type Weights } from '../../files/safetensors.js';
import {
  differs,
  parseTrainerState,
  refuseChanges,
  refuseUnlessResumed,
  runFolders,
  type ResumePoint,
} from '../loop/run-folder.js';

/** `config.json` of a run of `distill`. */
export const DistillationRun = z.strictObject({
  kind: z.literal('distillation'),
  /** Version of the library that wrote it. */
  captioner: z.string(),
  name: z.string(),
  teacher: z.strictObject(EncoderIdentity.shape),
  network: ConvNetConfig,
  /** The start of this run: another run, with the crops it had seen and its score, or an encoder's file. */
  from: z
    .union([
      z.strictObject({ crops: z.int(), inputSize: z.int(), cosine: z.number() }),
      z.strictObject({ inputSize: z.int(), sha256: z.string() }),
    ])
    .optional(),
  training: savedConfig(DistillationConfig),
  data: z.strictObject({ names: z.array(z.string()), photos: z.int(), devPhotos: z.int() }),
  trained: z.strictObject({ epochs: z.int(), steps: z.int(), crops: z.int() }),
  scores: z.record(z.string(), z.number()),
});
export type DistillationRun = z.output<typeof DistillationRun>;

/** Names of the files that only a distillation run has. */
export const runFiles = { config: 'config.json', encoder: 'encoder.onnx', weights: 'encoder.safetensors' } as const;

/** A run of `distill` that was stopped or has ended. */
export interface PastDistillation extends ResumePoint {
  readonly config: DistillationRun;
  readonly weights: Weights;
}

/**
 * Reads the run in a folder in order to resume it; undefined if there is none.
 * @throws CaptionerError `bad-input`: there is a run, but `resume` is off; `corrupt`.
 */
export function readPastDistillation(out: string, resume: boolean): PastDistillation | undefined {
  const folder = completeFolder(runFolders(out).last);
  if (!folder) return undefined;
  refuseUnlessResumed(out, resume);
  return readDistillation(folder);
}

/** The network that a new run starts from. */
export interface StartingNetwork {
  readonly network: ConvNetConfig;
  /** The record of it in the run's `config.json`. */
  readonly from: NonNullable<DistillationRun['from']>;
  /** Whether the statistics of its normalisations are still to be set. */
  readonly uncalibrated: boolean;
  /** @param std standard deviations of the teacher's features, [D] */
  weights(std: Float32Array): ReadonlyMap<string, Float32Array>;
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
  if (!folder)
    throw new CaptionerError(
      'not-found',
      `${from} holds no run of captioner distill to start from. Give the folder of a run, or its encoder.onnx.`,
    );
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

/**
 * Checks that a network can start from another. Additional blocks begin as the identity; the rest must keep its shape.
 * @throws CaptionerError `mismatch`
 */
export function checkFits(from: string, { network: before }: StartingNetwork, now: ConvNetConfig): void {
  if (before.width === now.width && before.blocks <= now.blocks) return;
  throw new CaptionerError(
    'mismatch',
    `The network in ${from} has width ${before.width} and ${before.blocks} blocks. Use the same width, and at least as many blocks.`,
  );
}

function readDistillation(folder: string): PastDistillation {
  const remedy = 'This run cannot be resumed.';
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

/** Hyperparameters that may change when a run is resumed: they do not affect what it has learned so far. */
const changeable: readonly string[] = [
  'epochs',
  'viewRounds',
  'saveEvery',
  'backend',
  'teacher',
  'teacherMean',
  'teacherStd',
  'teacherScale',
];

/**
 * Checks that a run is resumed as it began.
 * @throws CaptionerError `mismatch`, naming the first difference.
 */
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
  const prepared = differingPreparation(past.teacher, identity);
  if (prepared) throw differs(out, `the teacher's ${prepared.what}`, prepared.a, prepared.b);
}
