import type { Command } from 'commander';
import { defaultCheckpoint, lastDataset, openFeatures, ReinforcementConfig, splitPhotos } from '../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from './dataset.js';
import { epochTable, outcomeJson, outcomeLine } from './epochs.js';
import { addConfigOptions, defineCommand } from './options.js';
import { runCommand } from './run.js';

interface ReinforceOptions extends DatasetFlags {
  features: string;
  checkpoint?: string;
  out: string;
  resume?: true;
  json?: true;
}

/** `captioner reinforce`: a trained captioner, a data set and its features in, checkpoints out. */
export function reinforceCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'reinforce',
      `Trains a trained captioner's decoder on the scores of its own captions: self-critical sequence training.

Of each photo, captions are drawn at random; those with a better CIDEr than the others become likelier. The loss that is shown is minus the mean CIDEr of what was drawn. The folder of the run gets \`best\`, \`last\` and \`history.jsonl\`; \`best\` is the epoch whose captions of the dev photos have the best CIDEr, or what the run began with, where none is better. Ctrl-C saves and stops; --resume goes on.`,
      [
        [
          'captioner reinforce --data flickr8k --features features/flickr8k --checkpoint runs/first --out runs/better',
          'go on from a trained captioner',
        ],
        ['captioner evaluate --data flickr8k --features features/flickr8k --checkpoint runs/better', 'how good it is'],
      ],
    ),
  )
    .requiredOption('--features <folder>', "Features of its photos by the checkpoint's encoder.")
    .option('--checkpoint <folder>', 'Trained captioner to begin with. (default: the one that comes with the package)')
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--resume', 'Go on with the run in --out where it stopped, with the hyperparameters it has; or start it.')
    .option('--json', 'Print where the best checkpoint is and how good, as JSON.');
  const config = addConfigOptions(command, { reinforcement: ReinforcementConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as ReinforceOptions;
      const { features: folder, checkpoint, out, resume, json } = chosen;
      config.read(); // checks a config file before anything is loaded
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const features = openFeatures(folder);
      const { reinforceCaptioner } = await import('../lib/training.js');
      const outcome = await reinforceCaptioner({
        manifest,
        features,
        checkpoint: checkpoint ?? defaultCheckpoint(),
        out,
        config: config.given().reinforcement,
        resume: resume ?? false,
        progress,
        signal,
        warn: (line) => {
          warn(`captioner: ${line}`);
        },
        ...epochTable(warn),
      });
      features.close();
      const { best, state } = outcome;
      console.log(json ? outcomeJson(best, state) : outcomeLine(best, state, lastDataset(outcome.config).devPhotos));
    }),
  );
}
