import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { CaptionerError } from '../errors.js';
import { loadCheckpoint, loadResumeState, type Checkpoint, type CheckpointConfig } from '../model/checkpoint.js';
import { completeFolder } from '../model/folder.js';
import type { Weights } from '../model/safetensors.js';
import type { TrainerState } from './trainer.js';

/** What the folder of a training run holds. */
export const runFolders = (out: string) => ({
  /** Checkpoint of the epoch with the best score. */
  best: path.join(out, 'best'),
  /** Checkpoint to go on from. */
  last: path.join(out, 'last'),
  history: path.join(out, 'history.jsonl'),
});

/** A run that was stopped, or has ended. */
export interface PastRun extends Checkpoint {
  readonly slots: Weights;
  readonly state: TrainerState;
  readonly history: Uint8Array;
}

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

/**
 * The run in a folder, to go on with; undefined where there is none.
 * @throws CaptionerError `bad-input`: there is a run, but it is not to be resumed, or it can't be; `corrupt`.
 */
export function openRun(out: string, resume: boolean): PastRun | undefined {
  const { best, last } = runFolders(out);
  const folder = completeFolder(last);
  if (!folder) {
    if (!completeFolder(best)) return undefined;
    throw new CaptionerError(
      'bad-input',
      `${out} holds a captioner and nothing to resume from. Choose another folder.`,
    );
  }
  if (!resume) {
    throw new CaptionerError('bad-input', `${out} holds a training run. Resume it, or choose another folder.`);
  }
  const { slots, state } = loadResumeState(folder);
  const history = fs.readFileSync(path.join(folder, 'history.jsonl'));
  const checked = parseTrainerState(state, path.join(folder, 'state.json'));
  return { ...loadCheckpoint(folder), slots, state: checked, history };
}

/** @throws CaptionerError `corrupt`, naming the file and the field. */
export function parseTrainerState(json: unknown, file: string): TrainerState {
  const checked = State.safeParse(json);
  if (checked.success) return checked.data;
  const { path: field, message } = checked.error.issues[0];
  throw new CaptionerError('corrupt', `${file} is damaged: ${field.join('.')}: ${message}.`);
}

/** Hyperparameters that may change when a run goes on: what it has learned so far stays what it is. */
const changeable: readonly string[] = ['epochs', 'patience', 'saveEvery', 'validatePhotos', 'backend'];

/**
 * Checks that a run goes on as it began.
 * @param given hyperparameters that were asked for this time, by section.
 * @throws CaptionerError `mismatch`, naming the first that differs.
 */
export function checkUnchanged(
  out: string,
  config: CheckpointConfig,
  given: Readonly<Partial<Record<'decoder' | 'vocabulary' | 'training' | 'finetuning', object>>>,
  dataset: CheckpointConfig['dataset'],
): void {
  for (const section of ['decoder', 'vocabulary', 'training', 'finetuning'] as const) {
    const saved = section === 'finetuning' ? config.finetuned?.config : config[section];
    // The size of embeddings may be that of pretrained vectors, whatever was asked for.
    const replaced = config.decoder.embeddings === 'scratch' ? [] : ['embeddingSize'];
    refuseChanges(out, saved ?? {}, given[section] ?? {}, (name) => [...changeable, ...replaced].includes(name));
  }
  const begun = config.finetuned?.dataset ?? config.dataset;
  for (const field of ['name', 'photos', 'captions'] as const) {
    if (begun[field] !== dataset[field]) throw differs(out, `data set ${field}`, begun[field], dataset[field]);
  }
}

/** @throws CaptionerError `mismatch`, naming the first of the `given` hyperparameters that is not the saved one and may not change. */
export function refuseChanges(out: string, saved: object, given: object, mayChange: (name: string) => boolean): void {
  const before = new Map<string, unknown>(Object.entries(saved));
  for (const [name, value] of Object.entries(given) as [string, unknown][]) {
    if (value !== undefined && before.get(name) !== value && !mayChange(name)) {
      throw differs(out, name, before.get(name), value);
    }
  }
}

/** The error of a run that can't go on as it is asked to. */
export function differs(out: string, what: string, was: unknown, is: unknown): CaptionerError {
  return new CaptionerError(
    'mismatch',
    `The run in ${out} has ${what} ${String(was)}, not ${String(is)}. Resume it as it is, or choose another folder.`,
  );
}
