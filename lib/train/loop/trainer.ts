import { CaptionerError } from '../../errors.js';
import type { Prediction } from '../../metrics/predictions.js';
import type { ProgressReporter } from '../../progress.js';

/** The result of a step. */
export interface StepResult {
  /** Mean per word, per photo, or per caption. */
  readonly loss: number;
  /** Before clipping. */
  readonly gradientNorm: number;
  readonly learningRate: number;
  /** Words, padding not counted, photos or captions that were learned from. */
  readonly count: number;
}

/** A task to be trained, as the trainer sees it. */
export interface TrainingTask<Batch> {
  /** The unit that a step's loss is the mean over, and that its speed is measured in. */
  readonly unit: 'tokens' | 'photos' | 'captions';
  readonly epochs: number;
  readonly batchesPerEpoch: number;
  /** The batches of an epoch, counted from 0; always the same for the same epoch. */
  plan(epoch: number): readonly Batch[] | Promise<readonly Batch[]>;
  /** Learns from a batch. `step` counts from 0 over all epochs. */
  step(batch: Batch, step: number): Promise<StepResult>;
  /** Scores after an epoch, by name. */
  validate(signal?: AbortSignal): Promise<Readonly<Record<string, number>>>;
  /** Captions of a few photos, as the last validation found them. */
  samples?(): readonly Prediction[];
  /** The number to maximise, from an epoch's scores and its training loss. */
  goal(scores: Readonly<Record<string, number>>, loss: number): number;
  /** Saves everything needed to resume from `state`; with `best`, also as the best checkpoint so far. */
  save(state: TrainerState, best: boolean): void;
}

/** The progress of a run. With the task's own arrays, it is all that an exact resume needs. JSON. */
export interface TrainerState {
  /** Steps done. */
  step: number;
  /** Epochs done. */
  epoch: number;
  /** Batches of the current epoch done. */
  batch: number;
  /** Sum of the loss over the current epoch's words, photos or captions. */
  lossSum: number;
  /** Words, photos or captions of the current epoch. */
  count: number;
  /** Learning rate of the last step. */
  learningRate: number;
  /** Time spent on the run's steps and validation. */
  seconds: number;
  /** Best goal so far; null before the first epoch's end. */
  best: number | null;
  bestEpoch: number;
  epochsSinceBest: number;
  bestScores: Readonly<Record<string, number>>;
}

/** A line of history.jsonl, every 20 steps: means since the last one. */
export interface StepRecord {
  readonly type: 'step';
  readonly step: number;
  /** Counted from 1. */
  readonly epoch: number;
  readonly loss: number;
  /** exp(loss), if the loss is per word. */
  readonly perplexity?: number;
  readonly learningRate: number;
  readonly gradientNorm: number;
  /** Words per second of steps, excluding padding. */
  readonly tokensPerSecond?: number;
  readonly photosPerSecond?: number;
  readonly captionsPerSecond?: number;
  readonly seconds: number;
}

/** A line of history.jsonl after each epoch. */
export interface EpochRecord {
  readonly type: 'epoch';
  readonly epoch: number;
  readonly step: number;
  /** Mean over the epoch, with dropout, while the weights changed. */
  readonly loss: number;
  /** exp(loss), if the loss is per word. */
  readonly perplexity?: number;
  readonly learningRate: number;
  readonly seconds: number;
  /** Whether it is the best epoch so far. */
  readonly best: boolean;
  readonly scores: Readonly<Record<string, number>>;
}

/** A line of history.jsonl after each epoch: captions of a few dev photos, always the same ones. */
export interface SampleRecord {
  readonly type: 'samples';
  readonly epoch: number;
  readonly step: number;
  readonly captions: readonly Prediction[];
}

/** Options of a trainer. */
export interface TrainerOptions {
  /** Number of epochs without a better goal after which to stop; 0 never stops. */
  readonly patience: number;
  /** Minutes between saves within an epoch; 0: none. */
  readonly saveEvery: number;
  /** Epoch after which to return although training has not ended; the run can be resumed. */
  readonly pauseAfter?: number;
  /** Receives what the history keeps. */
  readonly record?: (record: StepRecord | EpochRecord | SampleRecord) => void;
  /** After each step; `count` and `loss` of this step. Notebooks draw here. */
  readonly onStep?: (result: StepResult & { readonly step: number }) => void | Promise<void>;
  /** Called after each epoch; training waits for it. */
  readonly onEpoch?: (record: EpochRecord) => void | Promise<void>;
  readonly progress?: ProgressReporter;
  /** Saves and stops with `interrupted` when aborted. */
  readonly signal?: AbortSignal;
  /** Milliseconds. */
  readonly now?: () => number;
}

const stepsPerRecord = 20;

export const freshState = (): TrainerState => ({
  step: 0,
  epoch: 0,
  batch: 0,
  lossSum: 0,
  count: 0,
  learningRate: 0,
  seconds: 0,
  best: null,
  bestEpoch: 0,
  epochsSinceBest: 0,
  bestScores: {},
});

/** Whether a run has ended: all epochs are done, or the last ones brought no improvement. */
export function hasEnded(
  { epoch, epochsSinceBest }: Pick<TrainerState, 'epoch' | 'epochsSinceBest'>,
  { epochs, patience }: { readonly epochs: number; readonly patience: number },
): boolean {
  return epoch >= epochs || (patience > 0 && epochsSinceBest >= patience);
}

/** Runs a task until it ends, stops improving, or is stopped: a loop and callbacks, after Karpathy's minGPT. */
export class Trainer<Batch> {
  private readonly now: () => number;
  private clock = 0;
  private saved = 0;
  /** Text beside the progress bar: loss and speed of the last window of steps. */
  private note = '';
  private window = { steps: 0, lossSum: 0, count: 0, normSum: 0, milliseconds: 0 };

  constructor(
    private readonly task: TrainingTask<Batch>,
    private readonly options: TrainerOptions,
    /** The progress of the run, updated in place. */
    readonly state: TrainerState = freshState(),
  ) {
    this.now = options.now ?? (() => performance.now());
  }

  /** Whether training has ended. */
  get finished(): boolean {
    return hasEnded(this.state, { epochs: this.task.epochs, patience: this.options.patience });
  }

  /**
   * @throws CaptionerError `interrupted` after saving, when the signal was aborted; `numeric` when the loss is not finite: then
   *   nothing is saved, and the last checkpoint stays.
   */
  async run(): Promise<TrainerState> {
    const { task, state, options } = this;
    this.clock = this.saved = this.now();
    this.showProgress();
    try {
      const { pauseAfter = Infinity } = options;
      while (!this.finished && state.epoch < pauseAfter) await this.epoch();
      return state;
    } catch (error) {
      if (!options.signal?.aborted || error !== options.signal.reason) throw error;
      this.save(false);
      const done = `Stopped after ${state.step} of ${task.epochs * task.batchesPerEpoch} steps, which are saved`;
      throw new CaptionerError('interrupted', `${done}.`, { cause: error });
    } finally {
      options.progress?.stop();
    }
  }

  private showProgress(): void {
    const { task, state, options } = this;
    options.progress?.start('Training', task.epochs * task.batchesPerEpoch, 'steps');
    options.progress?.update(state.step);
  }

  private async epoch(): Promise<void> {
    const { task, state, options } = this;
    const planning = task.plan(state.epoch);
    const plan = await planning;
    // A plan that takes long shows its own progress.
    if (planning instanceof Promise) this.showProgress();
    while (state.batch < plan.length) {
      options.signal?.throwIfAborted();
      await this.step(plan[state.batch]);
      if (options.saveEvery > 0 && this.now() - this.saved >= options.saveEvery * 60_000) this.save(false);
    }
    options.progress?.update(state.step, 'scoring on the dev photos');
    const scores = await task.validate(options.signal);
    await this.closeEpoch(scores);
  }

  private async step(batch: Batch): Promise<void> {
    const { task, state, window, options } = this;
    const began = this.now();
    const result = await task.step(batch, state.step);
    const { loss, gradientNorm, count, learningRate } = result;
    if (!Number.isFinite(loss) || !Number.isFinite(gradientNorm)) {
      throw new CaptionerError(
        'numeric',
        `Step ${state.step + 1}: ${Number.isFinite(loss) ? `the gradients' norm is ${gradientNorm}` : `the loss is ${loss}`}. The last checkpoint is intact. Try a lower learning rate, a longer warm-up or a smaller clip norm, and check that all features are finite.`,
      );
    }
    state.step++;
    state.batch++;
    state.lossSum += loss * count;
    state.count += count;
    state.learningRate = learningRate;
    window.steps++;
    window.lossSum += loss * count;
    window.count += count;
    window.normSum += gradientNorm;
    window.milliseconds += this.now() - began;
    if (state.step % stepsPerRecord === 0) this.closeWindow();
    options.progress?.update(state.step, this.note);
    await options.onStep?.({ ...result, step: state.step });
  }

  private closeWindow(): void {
    const { window, state, options, task } = this;
    const loss = window.lossSum / window.count;
    const speed = (1000 * window.count) / window.milliseconds;
    options.record?.({
      type: 'step',
      step: state.step,
      epoch: state.epoch + 1,
      loss,
      ...this.perplexity(loss),
      learningRate: state.learningRate,
      gradientNorm: window.normSum / window.steps,
      [`${task.unit}PerSecond`]: speed,
      seconds: this.tick(),
    });
    this.note = `loss ${loss.toFixed(3)}  ${Math.round(speed)} ${task.unit}/s`;
    this.window = { steps: 0, lossSum: 0, count: 0, normSum: 0, milliseconds: 0 };
  }

  private async closeEpoch(scores: Readonly<Record<string, number>>): Promise<void> {
    const { task, state, options } = this;
    const loss = state.lossSum / state.count;
    const goal = task.goal(scores, loss);
    const best = state.best === null || goal > state.best;
    if (best) Object.assign(state, { best: goal, bestEpoch: state.epoch + 1, epochsSinceBest: 0, bestScores: scores });
    else state.epochsSinceBest++;
    Object.assign(state, { epoch: state.epoch + 1, batch: 0, lossSum: 0, count: 0 });
    const record: EpochRecord = {
      type: 'epoch',
      epoch: state.epoch,
      step: state.step,
      loss,
      ...this.perplexity(loss),
      learningRate: state.learningRate,
      seconds: this.tick(),
      best,
      scores,
    };
    options.record?.(record);
    const captions = task.samples?.() ?? [];
    if (captions.length > 0) options.record?.({ type: 'samples', epoch: state.epoch, step: state.step, captions });
    this.save(best);
    await options.onEpoch?.(record);
  }

  private perplexity(loss: number): { perplexity?: number } {
    return this.task.unit === 'tokens' ? { perplexity: Math.exp(loss) } : {};
  }

  private save(best: boolean): void {
    this.tick();
    this.task.save({ ...this.state }, best);
    this.saved = this.now();
  }

  /** Adds the time since the last call to that of the run. */
  private tick(): number {
    const time = this.now();
    this.state.seconds += (time - this.clock) / 1000;
    this.clock = time;
    return this.state.seconds;
  }
}
