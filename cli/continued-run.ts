import type { Command } from 'commander';
import { defaultCheckpoint, lastDataset, splitPhotos } from '../lib/index.js';
import type { TrainingOutcome } from '../lib/training.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from './dataset.js';
import { epochTable, outcomeJson, outcomeLine } from './epochs.js';
import type { Run } from './run.js';

/** Flags of the commands that continue from a trained captioner. */
export interface ContinuedRunFlags extends DatasetFlags {
  checkpoint?: string;
  out: string;
  resume?: true;
  json?: true;
}

/** Adds the flags of {@link ContinuedRunFlags}. */
export function addContinuedRunOptions(command: Command): Command {
  return addDatasetOptions(command)
    .option(
      '--checkpoint <folder>',
      'Checkpoint to start from. (default: the best shipped model whose encoder is on this machine)',
    )
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--resume', 'Resume the run in --out with its hyperparameters, or start it if there is none.')
    .option('--json', 'Print the best checkpoint and its scores as JSON.');
}

/** Options of a continued run, from the flags. */
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

/** Prints the best checkpoint and its scores. */
export function tellOutcome({ best, config, state }: TrainingOutcome, json?: true): void {
  console.log(json ? outcomeJson(best, state) : outcomeLine(best, state, lastDataset(config).devPhotos));
}
