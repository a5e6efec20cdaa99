import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import * as z from 'zod';
import { CaptionerError, explainFileError } from '../../errors.js';
import { readFolderJson, replaceFile } from '../../files/folder.js';
import type { SweptValue } from './space.js';

const Value = z.union([z.string(), z.number(), z.boolean()]) satisfies z.ZodType<SweptValue>;

/** A run of a sweep. */
const Run = z.object({
  /** Folder of the run within the sweep's. */
  name: z.string().regex(/^[\w=.,+-]+$/),
  /** The hyperparameters that the sweep varies. */
  point: z.record(z.string(), Value),
  seed: z.int(),
  /** Whether it was stopped early because others were better. */
  stopped: z.boolean().optional(),
  /** The error that ended it. */
  error: z.string().optional(),
});
export type SavedRun = z.output<typeof Run>;

const SweepFile = z.object({
  format: z.literal(1),
  captioner: z.string(),
  measure: z.enum(['CIDEr', 'loss']),
  /** The options common to all runs, as given. A sweep is resumed only with the same. */
  base: z.record(z.string(), z.unknown()),
  runs: z.array(Run),
});
export type SweepFile = z.output<typeof SweepFile>;

const name = 'sweep.json';

/** Whether a folder holds a sweep. */
function holdsSweep(folder: string): boolean {
  return existsSync(path.join(folder, name));
}

/** @throws CaptionerError `not-found`; `corrupt`, naming the field. */
export function readSweepFile(folder: string): SweepFile {
  const json = readFolderJson(folder, name, 'Name the folder of a sweep.');
  const { success, data, error } = SweepFile.safeParse(json);
  if (success) return data;
  const { path: field, message } = error.issues[0];
  throw new CaptionerError('corrupt', `${path.join(folder, name)} is damaged: ${field.join('.')}: ${message}.`);
}

/** @throws CaptionerError `bad-input` if it can't be written. */
export function writeSweepFile(folder: string, content: SweepFile): void {
  try {
    mkdirSync(folder, { recursive: true });
    replaceFile(path.join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
  } catch (error) {
    throw explainFileError(error, path.join(folder, name));
  }
}

/**
 * Joins the runs of a sweep with those that its folder already has: more values or seeds extend a sweep.
 * @throws CaptionerError `mismatch`: what the runs have in common has changed; `bad-input`: the folder holds something else.
 */
export function joinSweep(folder: string, wanted: SweepFile): SweepFile {
  if (!holdsSweep(folder)) {
    if (!existsSync(path.join(folder, 'history.jsonl')) && !existsSync(path.join(folder, 'last'))) return wanted;
    throw new CaptionerError('bad-input', `${folder} holds a training run, not a sweep. Choose another folder.`);
  }
  const past = readSweepFile(folder);
  const common = (file: SweepFile) => ({ measure: file.measure, ...file.base });
  const [was, is] = [flat(common(past)), flat(common(wanted))];
  const field = [...new Set([...was.keys(), ...is.keys()])].find((key) => was.get(key) !== is.get(key));
  if (field !== undefined) {
    const [before, now] = [was, is].map((map) => map.get(field) ?? 'not set');
    throw new CaptionerError(
      'mismatch',
      `The sweep in ${folder} has ${field} ${before}, not ${now}. Repeat it unchanged, or choose another folder.`,
    );
  }
  const names = new Set(wanted.runs.map((run) => run.name));
  const before = new Map(past.runs.map((run) => [run.name, run]));
  const runs = wanted.runs.map((run) => before.get(run.name) ?? run);
  return { ...wanted, runs: [...runs, ...past.runs.filter((run) => !names.has(run.name))] };
}

/** Nested values by their path, as JSON. */
function flat(value: object, prefix = ''): Map<string, string> {
  return new Map(
    Object.entries(value).flatMap(([key, inner]: [string, unknown]): [string, string][] =>
      inner !== null && typeof inner === 'object' && !Array.isArray(inner)
        ? [...flat(inner, `${prefix}${key}.`)]
        : inner === undefined
          ? []
          : [[prefix + key, JSON.stringify(inner)]],
    ),
  );
}
