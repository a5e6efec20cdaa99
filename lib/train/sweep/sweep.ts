import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import type { ProgressReporter } from '../../progress.js';
import { Vocabulary } from '../../text/vocabulary.js';
import { trainCaptioner } from '../decoder/captioner-training.js';
import { goalOf } from '../decoder/goal.js';
import { readHistory } from '../loop/history.js';
import { readRunState, runFolders } from '../loop/run-folder.js';
import { hasEnded, type EpochRecord, type StepResult } from '../loop/trainer.js';
import { survivors, type Rung } from './halving.js';
import { optionsOf, type SweepPoint, type SweepSpace, type SweptHyperparameters } from './space.js';
import { joinSweep, writeSweepFile, type SavedRun, type SweepFile } from './sweep-folder.js';
import { runName, SweepPlan, type PlanOptions, type SweepBase } from './sweep-plan.js';
import { SweepProgress } from './sweep-progress.js';
import { rowOf, sweepRows, type SweepRow } from './sweep-rows.js';

/** A run of a sweep, for callbacks. */
export interface SweepRun {
  /** Name of the run, and of its folder: `hiddenSize=256,seed=1`. */
  readonly name: string;
  readonly point: SweepPoint;
  readonly seed: number;
}

/** Options of {@link sweep}. */
export interface SweepOptions extends PlanOptions {
  /** Called after each step of a run. */
  readonly onStep?: (run: SweepRun, result: StepResult & { readonly step: number }) => void | Promise<void>;
  /** After each epoch of a run; first for the epochs of an earlier call. */
  readonly onEpoch?: (run: SweepRun, record: EpochRecord) => void | Promise<void>;
  /** Whenever a run has ended, or pauses for others. */
  readonly onRun?: (row: SweepRow) => void | Promise<void>;
  readonly progress?: ProgressReporter;
  /** Saves and stops with `interrupted` when aborted. */
  readonly signal?: AbortSignal;
}

/**
 * Trains a captioner for each combination of hyperparameters, or for a random sample of them, one after the other, and returns their
 * scores, the best first. Whatever is done is kept: the same call continues a sweep that was interrupted, also in the middle of a
 * run, and a call with more values or seeds extends it. `readSweep` reads the table meanwhile. A run whose loss is not finite fails
 * without ending the others.
 *
 * ```ts
 * const runs = await sweep({ manifest, features, out: 'sweeps/first' }, { learningRate: [0.001, 0.002] }, { seeds: 3 });
 * console.log(runs[0].learningRate, runs[0].CIDEr);
 * ```
 *
 * @throws CaptionerError `bad-option`, `mismatch` (the folder has a sweep with another `base`), `interrupted`, and what
 *   {@link trainCaptioner} throws.
 */
export async function sweep<Space extends SweepSpace>(
  base: SweepBase,
  space: Space,
  options: SweepOptions = {},
): Promise<SweepRow<keyof Space & keyof SweptHyperparameters>[]> {
  return (await new Sweep(base, space, options).run()) as SweepRow<keyof Space & keyof SweptHyperparameters>[];
}

class Sweep {
  private readonly plan: SweepPlan;
  private readonly file: SweepFile;
  private readonly progress: SweepProgress;
  /** Epochs of runs that an earlier call trained and already reported to its callbacks. */
  private readonly told = new Set<string>();

  constructor(
    private readonly base: SweepBase,
    space: SweepSpace,
    private readonly options: SweepOptions,
  ) {
    this.plan = new SweepPlan(base, space, options);
    this.progress = new SweepProgress(options.progress, this.plan.epochs);
    this.file = joinSweep(base.out, this.plan.describe(base));
  }

  async run(): Promise<SweepRow[]> {
    writeSweepFile(this.base.out, this.file);
    this.progress.start();
    try {
      const { points, rungs } = this.plan;
      let alive = points;
      for (const [i, rung] of rungs.entries()) {
        const from = i === 0 ? 0 : rungs[i - 1].epoch;
        // All points with the first seed before the second one: an interrupted sweep has seen as many points as possible.
        for (const seed of this.plan.seeds)
          for (const point of alive) await this.advance(this.saved(point, seed), from, rung.epoch);
        if (i < rungs.length - 1) alive = this.halve(alive, rung);
      }
      return sweepRows(this.base.out, this.file);
    } finally {
      this.progress.stop();
    }
  }

  /** Trains a run up to an epoch, unless it is that far already. @param from epochs that are counted as done. */
  private async advance(run: SavedRun, from: number, until: number): Promise<void> {
    const { name } = run;
    const end = this.plan.rungs.length > 1 ? until : this.plan.epochsOf(run.point);
    this.mark(run, { stopped: false });
    await this.tell(run);
    if (!this.isDone(run, end)) {
      this.options.signal?.throwIfAborted();
      try {
        await this.train(run, from, end);
      } catch (error) {
        if (this.options.signal?.aborted) throw this.interrupted(error);
        if (!(error instanceof CaptionerError) || error.code !== 'numeric') throw error;
        this.mark(run, { error: error.message });
      }
    }
    this.progress.add(end - from, name);
    await this.options.onRun?.(rowOf(this.base.out, run, this.base.training ?? {}));
  }

  private async train(run: SavedRun, from: number, until: number): Promise<void> {
    const { base, options } = this;
    const { vocabulary, decoder, training } = optionsOf(run.point);
    const about = describeRun(run);
    await trainCaptioner({
      ...base,
      out: this.folder(run),
      decoder: { ...base.decoder, ...decoder },
      training: { ...base.training, ...training, seed: run.seed },
      vocabulary: base.vocabulary instanceof Vocabulary ? base.vocabulary : { ...base.vocabulary, ...vocabulary },
      resume: true,
      pauseAfter: until,
      progress: this.progress.ofRun(run.name, this.plan.epochsOf(run.point), from),
      signal: options.signal,
      onStep: options.onStep && ((result) => options.onStep?.(about, result)),
      onEpoch: options.onEpoch && ((record) => options.onEpoch?.(about, record)),
    });
  }

  /** Passes the epochs of an earlier call to the callback, once. */
  private async tell(run: SavedRun): Promise<void> {
    if (this.told.has(run.name)) return;
    this.told.add(run.name);
    for (const record of this.epochs(run)) await this.options.onEpoch?.(describeRun(run), record);
  }

  /** Stops all points but the best. */
  private halve(alive: readonly SweepPoint[], { epoch, keep }: Rung): readonly SweepPoint[] {
    const goals = (point: SweepPoint) => this.plan.seeds.map((seed) => this.goalAt(this.saved(point, seed), epoch));
    const kept = survivors(alive, goals, keep);
    for (const point of alive) {
      if (!kept.includes(point))
        for (const seed of this.plan.seeds) this.mark(this.saved(point, seed), { stopped: true });
    }
    return kept;
  }

  /** The goal of a run's best epoch up to this one. */
  private goalAt(run: SavedRun, epoch: number): number {
    if (run.error !== undefined) return -Infinity;
    const goals = this.epochs(run)
      .filter((record) => record.epoch <= epoch)
      .map((record) => goalOf(record, this.plan.training.chooseBy));
    return Math.max(-Infinity, ...goals);
  }

  /** The epochs of a run that are saved: those after its last save are trained again. */
  private epochs(run: SavedRun): EpochRecord[] {
    const state = readRunState(this.folder(run));
    if (!state) return [];
    return readHistory(runFolders(this.folder(run)).history).filter(
      (record): record is EpochRecord => record.type === 'epoch' && record.epoch <= state.epoch,
    );
  }

  private isDone(run: SavedRun, until: number): boolean {
    if (run.error !== undefined) return true;
    const state = readRunState(this.folder(run));
    const { patience } = { ...this.plan.training, ...optionsOf(run.point).training };
    return (
      state !== undefined &&
      (state.epoch >= until || hasEnded(state, { epochs: this.plan.epochsOf(run.point), patience }))
    );
  }

  private mark(run: SavedRun, change: Partial<SavedRun>): void {
    if ((Object.keys(change) as (keyof SavedRun)[]).every((key) => (run[key] ?? false) === change[key])) return;
    Object.assign(run, change);
    writeSweepFile(this.base.out, this.file);
  }

  private interrupted(cause: unknown): CaptionerError {
    const rows = sweepRows(this.base.out, this.file);
    const ended = rows.filter(({ status }) => status !== 'waiting' && status !== 'unfinished').length;
    return new CaptionerError(
      'interrupted',
      `Stopped with ${ended} of ${rows.length} runs done, which are saved in ${this.base.out}. Repeat the same sweep to continue.`,
      { cause },
    );
  }

  private folder(run: SavedRun): string {
    return path.join(this.base.out, run.name);
  }

  private saved(point: SweepPoint, seed: number): SavedRun {
    return this.file.runs.find(({ name }) => name === runName(point, seed))!;
  }
}

function describeRun({ name, point, seed }: SavedRun): SweepRun {
  return { name, point, seed };
}
