import fs from 'node:fs';
import path from 'node:path';
import { completeFolder } from '../../files/folder.js';
import type { HistoryRecord } from './history.js';
import { runFolders } from './run-folder.js';
import { hasEnded, type EpochRecord, type SampleRecord } from './trainer.js';

/** `running`: the history still grows. `quiet`: it does not, and training has not ended. */
export type RunStatus = 'running' | 'quiet' | 'finished';

/** A training run as its folder shows it, while it runs, after it died, or when it has ended. */
export interface RunReport {
  /** Path relative to the folder that was searched; the folder's name for that folder itself. */
  readonly name: string;
  readonly folder: string;
  readonly status: RunStatus;
  /** Epochs planned; undefined where no checkpoint says. */
  readonly epochs: number | undefined;
  /** Time of the last line of its history, in ms since 1970. */
  readonly updated: number;
  readonly history: readonly EpochRecord[];
  readonly samples: readonly SampleRecord[];
  /** Lines of the history that can't be read, apart from one that is still being written. */
  readonly damagedLines: number;
  /** Hyperparameters and data, by their path in the checkpoint's config: `decoder.hiddenSize`. */
  readonly config: ReadonlyMap<string, string>;
}

/** A run counts as running for this long after the last line of its history, in ms, and longer if its lines are rarer. */
const patience = 60_000;

/**
 * Reads all training runs under a folder, by name. Whatever is damaged, half written or missing is left out; nothing throws but a
 * folder that can't be read.
 * @param now time in ms.
 */
export function readRuns(folder: string, now = Date.now()): RunReport[] {
  const root = path.resolve(folder);
  return runFoldersIn(root, 4).map((found) => readRun(found, path.relative(root, found) || path.basename(root), now));
}

/** Folders with a history. Checkpoints have a copy of it, but are not runs. */
function runFoldersIn(folder: string, depth: number): string[] {
  if (fs.existsSync(path.join(folder, 'history.jsonl'))) return [folder];
  if (depth === 0) return [];
  return fs
    .readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && !entry.name.startsWith('.') && entry.name !== 'node_modules')
    .map(({ name }) => path.join(folder, name))
    .filter((place) => !fs.existsSync(path.join(place, 'decoder.safetensors')))
    .sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
    .flatMap((place) => runFoldersIn(place, depth - 1));
}

function readRun(folder: string, name: string, now: number): RunReport {
  const places = runFolders(folder);
  const { records, damagedLines } = wholeRecords(textOf(places.history));
  const updated = fs.statSync(places.history, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const checkpoint = completeFolder(places.last) ?? completeFolder(places.best);
  const config = checkpoint === undefined ? {} : jsonOf(path.join(checkpoint, 'config.json'));
  const state = checkpoint === undefined ? {} : jsonOf(path.join(checkpoint, 'state.json'));
  const { epochs, patience: epochsOfPatience = 0 } = phaseOf(config);
  const { epoch, epochsSinceBest } = state;
  const ended =
    typeof epoch === 'number' &&
    typeof epochsSinceBest === 'number' &&
    epochs !== undefined &&
    hasEnded({ epoch, epochsSinceBest }, { epochs, patience: epochsOfPatience });
  return {
    name: name.split(path.sep).join('/'),
    folder,
    status: ended ? 'finished' : now - updated < Math.max(patience, 3000 * longestPause(records)) ? 'running' : 'quiet',
    epochs,
    updated,
    history: records.filter((record) => record.type === 'epoch'),
    samples: records.filter((record) => record.type === 'samples'),
    damagedLines,
    config: flatConfig(config),
  };
}

/** The records of a history, without lines that are not whole. */
function wholeRecords(text: string): { records: HistoryRecord[]; damagedLines: number } {
  const lines = text.split('\n').slice(0, -1);
  const records = lines.map(parsed).filter((record) => record !== undefined);
  return { records, damagedLines: lines.length - records.length };
}

function parsed(line: string): HistoryRecord | undefined {
  try {
    const record = JSON.parse(line) as Readonly<Record<string, unknown>> | null;
    const whole =
      record?.type === 'samples'
        ? Array.isArray(record.captions)
        : typeof record?.loss === 'number' && (record.type === 'step' || typeof record.scores === 'object');
    return whole ? (record as unknown as HistoryRecord) : undefined;
  } catch {
    return undefined;
  }
}

/** The longest time between two lines, in seconds. */
function longestPause(records: readonly HistoryRecord[]): number {
  const seconds = records.flatMap((record) => (record.type === 'samples' ? [] : [record.seconds]));
  return seconds.reduce((longest, time, i) => Math.max(longest, time - (seconds[i - 1] ?? 0)), 0);
}

type Json = Readonly<Record<string, unknown>>;

/** Epochs and patience of the phase that a checkpoint's config ends with. */
function phaseOf(config: Json): { epochs?: number; patience?: number } {
  const inner = (name: string) => (config[name] as { config?: object } | undefined)?.config;
  return { ...(config.training as object), ...inner('finetuned'), ...inner('reinforced') };
}

/** The part of a config that a run was begun with, by path. */
function flatConfig(config: Json): Map<string, string> {
  const { decoder, vocabulary, vocabularySize, training, finetuned, reinforced, from, dataset, encoder } = config;
  const parts = { decoder, vocabulary, vocabularySize, training, finetuned, reinforced, from, dataset, encoder };
  return new Map(
    leaves(parts).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
  );
}

function leaves(value: object, prefix = ''): [string, unknown][] {
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) =>
    inner !== null && typeof inner === 'object' && !Array.isArray(inner)
      ? leaves(inner, `${prefix}${name}.`)
      : inner === undefined
        ? []
        : [[prefix + name, inner] satisfies [string, unknown]],
  );
}

function jsonOf(file: string): Json {
  try {
    return (JSON.parse(textOf(file)) ?? {}) as Json;
  } catch {
    return {};
  }
}

/** The text of a file; empty if there is none. */
function textOf(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
