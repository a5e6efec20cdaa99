import type { Command } from 'commander';
import { openFeatures, ReinforcementConfig } from '../../lib/index.js';
import { addContinuedRunOptions, continuedRun, tellOutcome, type ContinuedRunFlags } from '../continued-run.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface ReinforceOptions extends ContinuedRunFlags {
  features: string;
}

/** `captioner reinforce`: trains a decoder on the scores of its own captions. */
export function reinforceCommand(): Command {
  const command = addContinuedRunOptions(
    defineCommand(
      'reinforce',
      `Train a captioner's decoder on the CIDEr of its own captions (self-critical sequence training).

For each photo it samples captions and makes those with a better CIDEr than the others more likely. The loss shown is the negative mean CIDEr of the samples. The run's folder gets \`best\`, \`last\` and \`history.jsonl\`; \`best\` is the epoch with the highest CIDEr on dev, or the starting checkpoint if no epoch is better. Ctrl-C saves and stops; --resume continues.`,
      [
        [
          'captioner reinforce --data flickr8k --features features/flickr8k --checkpoint runs/first --out runs/better',
          'continue from a trained captioner',
        ],
        [
          'captioner evaluate --data flickr8k --features features/flickr8k --checkpoint runs/better',
          'evaluate the result',
        ],
      ],
    ),
  ).requiredOption('--features <folder>', "Features of the photos by the checkpoint's encoder.");
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
