import type { Command } from 'commander';
import { openFeatures, ReinforcementConfig } from '../../lib/index.js';
import { addContinuedRunOptions, continuedRun, tellOutcome, type ContinuedRunFlags } from '../continued-run.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface ReinforceOptions extends ContinuedRunFlags {
  features: string;
}

/** `captioner reinforce`: a trained captioner, a data set and its features in, checkpoints out. */
export function reinforceCommand(): Command {
  const command = addContinuedRunOptions(
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
  ).requiredOption('--features <folder>', "Features of its photos by the checkpoint's encoder.");
  const config = addConfigOptions(command, { reinforcement: ReinforcementConfig });

  return command.action(
    runCommand(async ({ options, ...context }) => {
      const { features: folder, json, ...flags } = options as ReinforceOptions;
      config.read(); // checks a config file before anything is loaded
      const run = await continuedRun(flags, context);
      const features = openFeatures(folder);
      const { reinforceCaptioner } = await import('../../lib/training.js');
      const outcome = await reinforceCaptioner({ ...run, features, config: config.given().reinforcement });
      features.close();
      tellOutcome(outcome, json);
    }),
  );
}
