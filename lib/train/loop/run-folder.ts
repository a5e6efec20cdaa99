import fs from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { completeFolder, readFolderJson } from '../../files/folder.js';
import type { Weights } from '../../files/safetensors.js';
import {
  lastDataset,
  loadCheckpoint,
  loadResumeState,
  type Checkpoint,
  type CheckpointConfig,
} from '../../model/checkpoint/checkpoint.js';
import type { TrainerState } from './trainer.js';

/** Paths in the folder of a training run. */
export const runFolders = (out: string) => ({
  /** Checkpoint of the epoch with the best score. */
  best: path.join(out, 'best'),
  /** Checkpoint to resume from. */
  last: path.join(out, 'last'),
  history: path.join(out, 'history.jsonl'),
});

/** The point where a run stopped, besides its weights. */
export interface ResumePoint {
  /** Arrays of the optimiser, by name. */
  readonly slots: Weights;
  readonly state: TrainerState;
  /** Content of `history.jsonl`. */
  readonly history: Uint8Array;
}

/** A run that trains a captioner, and was stopped or has ended. */
export interface PastRun extends Checkpoint, ResumePoint {}

const State: z.ZodType<TrainerState> = z.object({
  step: z.int().min(0),
  epoch: z.int().min(0),
  batch: z.int().min(0),
  lossSum: z.number(),
  count: z.int(),
  learningRate: z.number(),
  seconds: z.number(),
  best: z.number().nullable(),
  bestEpoch: z.int(),
  epochsSinceBest: z.int(),
  bestScores: z.record(z.string(), z.number()),
});

/** The commands whose runs have checkpoints, in the order in which one continues with the result of another. */
export type RunKind = 'train' | 'finetune' | 'reinforce';

/** The command that wrote a checkpoint. */
const kindOf = ({ finetuned, reinforced }: CheckpointConfig): RunKind =>
  reinforced ? 'reinforce' : finetuned ? 'finetune' : 'train';

/**
 * Reads the run in a folder in order to resume it; undefined if there is none.
 * @throws CaptionerError `bad-input`: there is a run, but `resume` is off or impossible; `mismatch`: another
 *   command began it;
 *   `corrupt`.
 */
export function readPastRun(out: string, resume: boolean, kind: RunKind): PastRun | undefined {
  const { best, last } = runFolders(out);
  const folder = completeFolder(last);
  if (!folder) {
    if (!completeFolder(best)) return undefined;
    throw new CaptionerError(
      'bad-input',
      `${out} holds a captioner and nothing to resume from. Choose another folder.`,
    );
  }
  refuseUnlessResumed(out, resume);
  const { slots, state } = loadResumeState(folder);
  const history = fs.readFileSync(path.join(folder, 'history.jsonl'));
  const checked = parseTrainerState(state, path.join(folder, 'state.json'));
  const checkpoint = loadCheckpoint(folder);
  const begun = kindOf(checkpoint.config);
  if (begun !== kind) {
    throw new CaptionerError(
      'mismatch',
      `The run in ${out} was started by captioner ${begun}. Resume it with that command.`,
    );
  }
  return { ...checkpoint, slots, state: checked, history };
}

/** @throws CaptionerError `bad-input`: a folder in use is not to be resumed. */
export function refuseUnlessResumed(out: string, resume: boolean): void {
  if (resume) return;
  throw new CaptionerError(
    'bad-input',
    `${out} holds a training run. Resume it (--resume, or resume: true), or choose another folder.`,
  );
}

/** @throws CaptionerError `corrupt`, naming the file and the field. */
export function parseTrainerState(json: unknown, file: string): TrainerState {
  const checked = State.safeParse(json);
  if (checked.success) return checked.data;
  const { path: field, message } = checked.error.issues[0];
  throw new CaptionerError('corrupt', `${file} is damaged: ${field.join('.')}: ${message}.`);
}

/**
 * Reads the progress of the run in a folder, without its weights; undefined if it has not been saved yet.
 * @throws CaptionerError `corrupt`.
 */
export function readRunState(out: string): TrainerState | undefined {
  const folder = completeFolder(runFolders(out).last);
  if (!folder) return undefined;
  const json = readFolderJson(folder, 'state.json', 'The run cannot be resumed.');
  return parseTrainerState(json, path.join(folder, 'state.json'));
}

/** Hyperparameters that may change when a run is resumed: they do not affect what it has learned so far. */
const changeable: readonly string[] = ['epochs', 'patience', 'saveEvery', 'validatePhotos', 'backend'];

const sections = ['decoder', 'vocabulary', 'training', 'finetuning', 'reinforcement'] as const;
type Section = (typeof sections)[number];

/**
 * Checks that a run is resumed as it began.
 * @param past the run; a new one is not checked.
 * @param given hyperparameters that were asked for this time, by section.
 * @throws CaptionerError `mismatch`, naming the first that differs.
 */
export function checkUnchanged(
  out: string,
  past: PastRun | undefined,
  given: Readonly<Partial<Record<Section, object>>>,
  dataset: CheckpointConfig['dataset'],
): void {
  if (!past) return;
  const { config } = past;
  const saved: Record<Section, object | undefined> = {
    ...config,
    finetuning: config.finetuned?.config,
    reinforcement: config.reinforced?.config,
  };
  for (const section of sections) {
    // The size of embeddings may be that of pretrained vectors, whatever was asked for.
    const replaced = config.decoder.embeddings === 'scratch' ? [] : ['embeddingSize'];
    refuseChanges(out, saved[section] ?? {}, given[section] ?? {}, (name) =>
      [...changeable, ...replaced].includes(name),
    );
  }
  const begun = lastDataset(config);
  for (const field of ['name', 'photos', 'captions', 'randomViews'] as const) {
    const [was = 0, is = 0] = [begun[field], dataset[field]];
    if (was !== is) throw differs(out, `data set ${field}`, was, is);
  }
}

/** @throws CaptionerError `mismatch`, naming the first of the `given` hyperparameters that differs from the saved one and may not. */
export function refuseChanges(out: string, saved: object, given: object, mayChange: (name: string) => boolean): void {
  const before = new Map<string, unknown>(Object.entries(saved));
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (value !== undefined && !isDeepStrictEqual(before.get(name), value) && !mayChange(name)) {
      throw differs(out, name, before.get(name), value);
    }
  }
}

/** The error of a run that cannot be resumed as asked. */
export function differs(out: string, what: string, was: unknown, is: unknown): CaptionerError {
  return new CaptionerError(
    'mismatch',
    `The run in ${out} has ${what} ${String(was)}, not ${String(is)}. Resume it unchanged, or choose another folder.`,
  );
}
