import type { Manifest } from '../../data/datasets/manifest.js';
import { findCheckpoint, loadCheckpoint, type Checkpoint } from '../../model/checkpoint/checkpoint.js';
import { freshState, type TrainerState, type TrainingTask } from './trainer.js';
import type { CaptionerRun, RunOptions, TrainingOutcome } from './training-run.js';

/** Options of a phase that continues with a trained captioner. */
export interface ContinuedRunOptions<Config> extends RunOptions {
  readonly manifest: Manifest;
  /** Folder of the trained captioner to begin with: a checkpoint or a training run. */
  readonly checkpoint: string;
  readonly config?: Partial<Config>;
  /** Receives the dev scores of the captioner that the run begins with. */
  readonly onStart?: (scores: Readonly<Record<string, number>>) => void;
}

/** The captioner that a phase continues with. */
export interface ContinuedCheckpoint {
  readonly folder: string;
  readonly checkpoint: Checkpoint;
}

/** The captioner that a phase continues with: the saved one of a resumed run, otherwise the given one. */
export function continuedCheckpoint({ past, folders }: CaptionerRun, given: string): ContinuedCheckpoint {
  const folder = findCheckpoint(past ? folders.last : given);
  return { folder, checkpoint: past ?? loadCheckpoint(folder) };
}

/**
 * Executes a phase that continues with a trained captioner. A new run first scores the captioner it begins with, which stays the best
 * until an epoch is better.
 * @throws CaptionerError what `TrainingRun.execute` throws.
 */
export async function executeContinued<Batch>(
  run: CaptionerRun,
  task: TrainingTask<Batch> & { dispose(): void | Promise<void> },
  onStart?: ContinuedRunOptions<unknown>['onStart'],
): Promise<TrainingOutcome> {
  const { progress, signal } = run.options;
  const scoreStart = async (): Promise<TrainerState> => {
    progress?.start('Captioning the dev photos before training', 0, 'photos');
    const scores = await task.validate(signal).finally(() => progress?.stop());
    onStart?.(scores);
    // Without dev photos the first epoch is the best so far.
    if (scores.CIDEr === undefined) return freshState();
    return { ...freshState(), best: task.goal(scores, 0), bestScores: scores };
  };
  return run.outcome(await run.execute(task, scoreStart));
}
