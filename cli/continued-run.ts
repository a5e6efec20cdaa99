import type { Command } from 'commander';
import { defaultCheckpoint, lastDataset, splitPhotos } from '../lib/index.js';
import type { TrainingOutcome } from '../lib/training.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from './dataset.js';
import { epochTable, outcomeJson, outcomeLine } from './epochs.js';
import type { Run } from './run.js';

/** The flags of a command that goes on with a trained captioner. */
export interface ContinuedRunFlags extends DatasetFlags {
  checkpoint?: string;
  out: string;
  resume?: true;
  json?: true;
}

/** The flags of {@link ContinuedRunFlags}. */
export function addContinuedRunOptions(command: Command): Command {
  return addDatasetOptions(command)
    .option(
      '--checkpoint <folder>',
      'Trained captioner to begin with. (default: the best shipped model whose encoder is on this machine)',
    )
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--resume', 'Go on with the run in --out where it stopped, with the hyperparameters it has; or start it.')
    .option('--json', 'Print where the best checkpoint is and how good, as JSON.');
}

/** What a run is told that goes on as the flags say. */
export async function continuedRun(
  flags: ContinuedRunFlags,
  { progress, signal, warn }: Pick<Run, 'progress' | 'signal' | 'warn'>,
) {
  const { checkpoint = defaultCheckpoint(), out, resume = false } = flags;
  const manifest = splitPhotos(await openGiven(flags, warn));
  return {
    ...{ manifest, checkpoint, out, resume, progress, signal },
    warn: (line: string) => {
      warn(`captioner: ${line}`);
    },
    ...epochTable(warn),
  };
}

/** Says where the best checkpoint is and how good. */
export function tellOutcome({ best, config, state }: TrainingOutcome, json?: true): void {
  console.log(json ? outcomeJson(best, state) : outcomeLine(best, state, lastDataset(config).devPhotos));
}
