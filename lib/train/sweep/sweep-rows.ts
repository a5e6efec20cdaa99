import path from 'node:path';
import { TrainingConfig } from '../../config.js';
import { readRunState } from '../loop/run-folder.js';
import { hasEnded } from '../loop/trainer.js';
import type { SweptHyperparameters, SweptValue } from './space.js';
import { readSweepFile, type SavedRun, type SweepFile } from './sweep-folder.js';

/** Status of a run: not begun, begun, ended by its epochs or patience, stopped because others were better, ended by an error. */
export type SweepStatus = 'waiting' | 'unfinished' | 'finished' | 'stopped' | 'failed';

/** The result of a run of a sweep, so far. Scores are those of its best epoch on the dev photos; null where there are none. */
export type SweepResult = Readonly<{
  run: string;
  seed: number;
  status: SweepStatus;
  /** Epochs done. */
  epoch: number;
  bestEpoch: number;
  loss: number | null;
  CIDEr: number | null;
  'BLEU-4': number | null;
  /** The number by which runs are ranked: CIDEr or minus the loss, as the sweep's `chooseBy` says. */
  goal: number | null;
  /** Time spent on steps and validation. */
  seconds: number;
  folder: string;
}>;

/** A row of a sweep's table: a run with its hyperparameters. Plain values, as `new DataFrame(rows)` of danfojs takes them. */
export type SweepRow<Varied extends keyof SweptHyperparameters = never> = SweepResult &
  Readonly<Partial<SweptHyperparameters>> &
  Readonly<Pick<SweptHyperparameters, Varied>>;

/** The hyperparameters of a sweep's point with the mean score of its runs. */
export type SweepMean = Readonly<Record<string, SweptValue | null>> & {
  /** Runs with a score. */
  readonly runs: number;
  readonly mean: number | null;
  /** Standard deviation over the seeds; null for fewer than two. */
  readonly deviation: number | null;
};

/**
 * Reads the table of a sweep from its folder, the best run first; also of one that was interrupted or is still running.
 * @throws CaptionerError `not-found`, `corrupt`.
 */
export function readSweep(folder: string): SweepRow[] {
  return sweepRows(folder, readSweepFile(folder));
}

/** The rows of a sweep's runs, the best first. */
export function sweepRows(folder: string, { runs, base }: SweepFile): SweepRow[] {
  const training = TrainingConfig.partial().safeParse(base.training).data ?? {};
  return runs
    .map((run) => rowOf(folder, run, training))
    .sort((a, b) => (b.goal ?? -Infinity) - (a.goal ?? -Infinity) || 0);
}

/** @param training the hyperparameters that all runs have in common. */
export function rowOf(folder: string, run: SavedRun, training: Partial<TrainingConfig>): SweepRow {
  const place = path.join(folder, run.name);
  const state = readRunState(place);
  const { loss = null, CIDEr = null, 'BLEU-4': bleu = null } = state?.bestScores ?? {};
  return {
    run: run.name,
    ...run.point,
    seed: run.seed,
    status: statusOf(run, state, training),
    epoch: state?.epoch ?? 0,
    bestEpoch: state?.bestEpoch ?? 0,
    loss,
    CIDEr,
    'BLEU-4': bleu,
    goal: run.error === undefined ? (state?.best ?? null) : null,
    seconds: state?.seconds ?? 0,
    folder: place,
  };
}

function statusOf(
  { error, stopped, point }: SavedRun,
  state: ReturnType<typeof readRunState>,
  training: Partial<TrainingConfig>,
): SweepStatus {
  if (error !== undefined) return 'failed';
  const { epochs, patience } = TrainingConfig.parse({ ...training, ...trainingValues(point) });
  if (state && hasEnded(state, { epochs, patience })) return 'finished';
  if (stopped) return 'stopped';
  return state ? 'unfinished' : 'waiting';
}

function trainingValues(point: SavedRun['point']): object {
  return Object.fromEntries(Object.entries(point).filter(([name]) => Object.hasOwn(TrainingConfig.shape, name)));
}

/**
 * The mean of a score over the seeds of each point, the best first.
 * @param measure the score: `CIDEr`, `BLEU-4`, or `loss`, of which less is better.
 */
export function meansOverSeeds(rows: readonly SweepRow[], measure: 'CIDEr' | 'BLEU-4' | 'loss'): SweepMean[] {
  const groups = new Map<string, SweepRow[]>();
  for (const row of rows) {
    const point = pointName(row.run);
    groups.set(point, [...(groups.get(point) ?? []), row]);
  }
  const sign = measure === 'loss' ? 1 : -1;
  const means = [...groups.values()].map((group): SweepMean => {
    const scores = group.flatMap((row) => (row[measure] === null ? [] : [row[measure]]));
    const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
    const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / (scores.length - 1);
    return {
      ...pointOf(group[0]),
      runs: scores.length,
      mean: scores.length > 0 ? mean : null,
      deviation: scores.length > 1 ? Math.sqrt(variance) : null,
    };
  });
  return means.sort((a, b) => sign * ((a.mean ?? sign * Infinity) - (b.mean ?? sign * Infinity)) || 0);
}

/** The name of a run's point: its hyperparameters without the seed. */
function pointName(run: string): string {
  return run.replace(/,seed=\d+$/, '');
}

const resultNames: readonly string[] = [
  'run',
  'seed',
  'status',
  'epoch',
  'bestEpoch',
  'loss',
  'CIDEr',
  'BLEU-4',
  'goal',
  'seconds',
  'folder',
] as const satisfies readonly (keyof SweepResult)[];

/** The hyperparameters of a row. */
function pointOf(row: SweepRow): Readonly<Record<string, SweptValue>> {
  return Object.fromEntries(Object.entries(row).filter(([name]) => !resultNames.includes(name))) as Record<
    string,
    SweptValue
  >;
}
