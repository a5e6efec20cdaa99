import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { CaptionerError } from '../../errors.js';
import {
  lastDataset,
  loadCheckpoint,
  loadResumeState,
  type Checkpoint,
  type CheckpointConfig,
} from '../../model/checkpoint/checkpoint.js';
import { completeFolder } from '../../files/folder.js';
import type { Weights } from '../../files/safetensors.js';
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

/** The commands whose runs have checkpoints, in the order in which one goes on with what another has trained. */
export type RunKind = 'train' | 'finetune' | 'reinforce';

/** The command that wrote a checkpoint. */
const kindOf = ({ finetuned, reinforced }: CheckpointConfig): RunKind =>
  reinforced ? 'reinforce' : finetuned ? 'finetune' : 'train';

/**
 * The run in a folder, to go on with; undefined where there is none.
 * @throws CaptionerError `bad-input`: there is a run, but it is not to be resumed, or it can't be; `mismatch`: it is one of another
 *   command; `corrupt`.
 */
export function openRun(out: string, resume: boolean, kind: RunKind): PastRun | undefined {
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
  const checkpoint = loadCheckpoint(folder);
  const begun = kindOf(checkpoint.config);
  if (begun !== kind) {
    throw new CaptionerError('mismatch', `The run in ${out} is one of captioner ${begun}. Resume it with that.`);
  }
  return { ...checkpoint, slots, state: checked, history };
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

const sections = ['decoder', 'vocabulary', 'training', 'finetuning', 'reinforcement'] as const;
type Section = (typeof sections)[number];

/**
 * Checks that a run goes on as it began.
 * @param given hyperparameters that were asked for this time, by section.
 * @throws CaptionerError `mismatch`, naming the first that differs.
 */
export function checkUnchanged(
  out: string,
  config: CheckpointConfig,
  given: Readonly<Partial<Record<Section, object>>>,
  dataset: CheckpointConfig['dataset'],
): void {
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
