import { CaptionerError } from '../../errors.js';
import { loadCheckpoint, type CheckpointConfig } from '../../model/checkpoint/checkpoint.js';
import { History } from './history.js';
import { readPastRun, runFolders, type PastRun, type ResumePoint, type RunKind } from './run-folder.js';
import { freshState, Trainer, type TrainerOptions, type TrainerState, type TrainingTask } from './trainer.js';

/** Options of every phase of training. */
export interface RunOptions extends Pick<
  TrainerOptions,
  'onStep' | 'onEpoch' | 'pauseAfter' | 'progress' | 'signal' | 'now'
> {
  /** Folder of the run: receives the checkpoints `last` and `best`, and `history.jsonl`. */
  readonly out: string;
  /** Resume the run in `out` where it stopped, with its hyperparameters; start one if there is none. */
  readonly resume?: boolean;
  /** Receives a sentence about anything odd that is not an error. */
  readonly warn?: (line: string) => void;
}

/** The result of a run that trains a captioner. */
export interface TrainingOutcome {
  /** Folder of the best checkpoint. */
  readonly best: string;
  readonly config: CheckpointConfig;
  readonly state: TrainerState;
}

/** A task that holds tensors. */
interface DisposableTask<Batch> extends TrainingTask<Batch> {
  dispose(): void | Promise<void>;
}

/**
 * A run whose folder is checked: its hyperparameters, and its saved state if it is resumed. Every phase opens
 * a run, prepares its data, starts its network, makes a task of the three, and executes it.
 */
export class TrainingRun<
  Config extends Pick<TrainerOptions, 'saveEvery'> & Partial<Pick<TrainerOptions, 'patience'>>,
  Past extends ResumePoint = PastRun,
> {
  readonly folders: ReturnType<typeof runFolders>;
  readonly history: History;

  /** @param past saved state of the run; undefined for a new one. */
  constructor(
    readonly options: RunOptions,
    readonly config: Config,
    readonly past: Past | undefined,
  ) {
    this.folders = runFolders(options.out);
    this.history = new History(this.folders.history, past?.history);
  }

  readonly warn = (line: string): void => {
    this.options.warn?.(line);
  };

  /**
   * Runs a task to its end and disposes of it. A new run is saved before its first step.
   * @param start gives the state that a new run begins with.
   * @throws CaptionerError as `Trainer.run`; the message of `interrupted` says how to resume.
   */
  async execute<Batch>(
    task: DisposableTask<Batch>,
    start: () => TrainerState | Promise<TrainerState> = freshState,
  ): Promise<TrainerState> {
    const { past, options, history } = this;
    const { patience = 0, saveEvery } = this.config;
    const { onStep, onEpoch, pauseAfter, progress, signal, now } = options;
    try {
      const state = past?.state ?? (await start());
      history.open();
      const record = history.append.bind(history);
      const callbacks = { record, onStep, onEpoch, progress, signal, now };
      const trainer = new Trainer(task, { patience, saveEvery, pauseAfter, ...callbacks }, state);
      if (!past) task.save(trainer.state, trainer.state.best !== null);
      return await trainer.run();
    } catch (error) {
      if (!(error instanceof CaptionerError) || error.code !== 'interrupted') throw error;
      throw new CaptionerError(
        'interrupted',
        `${error.message} Repeat the command with --resume to continue, or the call with resume: true.`,
        {
          cause: error,
        },
      );
    } finally {
      await task.dispose();
    }
  }

  /** The result of a run that trained a captioner, once it has ended in `state`. */
  outcome(this: TrainingRun<Config>, state: TrainerState): TrainingOutcome {
    const { best } = this.folders;
    return { best, config: loadCheckpoint(best).config, state };
  }
}

/** A run that trains a captioner, in whichever phase. */
export type CaptionerRun = TrainingRun<Pick<TrainerOptions, 'patience' | 'saveEvery'>>;

/**
 * Opens the folder of a run that trains a captioner.
 * @param configure gives the hyperparameters: those of the past run, and the ones given now.
 * @throws CaptionerError what `readPastRun` throws, and `bad-option`.
 */
export function openRun<Config extends Pick<TrainerOptions, 'patience' | 'saveEvery'>>(
  kind: RunKind,
  options: RunOptions,
  configure: (past: CheckpointConfig | undefined) => Config,
): TrainingRun<Config> {
  const past = readPastRun(options.out, options.resume ?? false, kind);
  return new TrainingRun(options, configure(past?.config), past);
}
