import { CaptionerError } from '../../errors.js';
import type { History } from './history.js';
import { Trainer, type TrainerOptions, type TrainerState, type TrainingTask } from './trainer.js';

/** What a run tells and asks while it goes on. */
export type RunOptions = Pick<TrainerOptions, 'onStep' | 'onEpoch' | 'progress' | 'signal' | 'now'>;

/**
 * Runs a task whose run can be resumed to its end. A new run is saved before its first step.
 * @param begun where the run is; `resumed`: where a former one was.
 * @throws CaptionerError what `Trainer.run` throws; `interrupted` says how the run goes on.
 */
export async function runTask<Batch>(
  task: TrainingTask<Batch>,
  history: History,
  { patience, saveEvery }: Pick<TrainerOptions, 'patience' | 'saveEvery'>,
  { onStep, onEpoch, progress, signal, now }: RunOptions,
  begun: { readonly state?: TrainerState; readonly resumed: boolean },
): Promise<TrainerState> {
  const record = history.append.bind(history);
  const options = { patience, saveEvery, record, onStep, onEpoch, progress, signal, now };
  const trainer = new Trainer(task, options, begun.state);
  if (!begun.resumed) task.save(trainer.state, trainer.state.best !== null);
  try {
    return await trainer.run();
  } catch (error) {
    if (!(error instanceof CaptionerError) || error.code !== 'interrupted') throw error;
    throw new CaptionerError('interrupted', `${error.message} The same command with --resume goes on.`, {
      cause: error,
    });
  }
}
