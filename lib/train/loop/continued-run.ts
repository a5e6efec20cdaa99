import type { Manifest } from '../../data/datasets/manifest.js';
import { loadCheckpoint } from '../../model/checkpoint/checkpoint.js';
import type { TrainingOutcome } from '../decoder/captioner-training.js';
import type { History } from './history.js';
import { runFolders, type PastRun } from './run-folder.js';
import { runTask, type RunOptions } from './run-task.js';
import { freshState, type TrainerOptions, type TrainerState, type TrainingTask } from './trainer.js';

/** What every run is told that goes on with a trained captioner. */
export interface ContinuedRunOptions<Config> extends RunOptions {
  readonly manifest: Manifest;
  /** Folder of the trained captioner to begin with: a checkpoint or a training run. */
  readonly checkpoint: string;
  /** Folder of the run: gets the checkpoints `last` and `best`, and `history.jsonl`. */
  readonly out: string;
  readonly config?: Partial<Config>;
  /** Go on with the run in `out` where it stopped, with the hyperparameters it has; start one where there is none. */
  readonly resume?: boolean;
  /** Told, in a sentence, what is odd and no error. */
  readonly warn?: (line: string) => void;
  /** Told the dev scores of the captioner that the run begins with. */
  readonly onStart?: (scores: Readonly<Record<string, number>>) => void;
}

/** A task whose history is written with its checkpoints. */
interface ContinuedTask<Plan> extends TrainingTask<Plan> {
  readonly history: History;
  dispose(): void | Promise<void>;
}

/**
 * Runs a task that goes on with a trained captioner to its end, and disposes of it. A new run first scores what it begins with, which
 * stays the best until an epoch is better.
 * @throws CaptionerError what `runTask` throws.
 */
export async function runContinued<Plan>(
  task: ContinuedTask<Plan>,
  config: Pick<TrainerOptions, 'patience' | 'saveEvery'>,
  options: Pick<ContinuedRunOptions<unknown>, 'out' | 'onStart'> & RunOptions,
  past: PastRun | undefined,
): Promise<TrainingOutcome> {
  const { out, progress, signal, onStart } = options;
  try {
    let state: TrainerState | undefined = past?.state;
    if (!state) {
      progress?.start('Captioning the dev photos as they are captioned now', 0, 'photos');
      const scores = await task.validate(signal).finally(() => progress?.stop());
      onStart?.(scores);
      // Where there is nothing to score, the first epoch is the best so far.
      const begun = { best: task.goal(scores, 0), bestScores: scores };
      state = { ...freshState(), ...(scores.CIDEr !== undefined && begun) };
    }
    const end = await runTask(task, task.history, config, options, { state, resumed: past !== undefined });
    const { best } = runFolders(out);
    return { best, config: loadCheckpoint(best).config, state: end };
  } finally {
    await task.dispose();
  }
}
