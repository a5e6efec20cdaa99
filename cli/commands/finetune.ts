import type { Command } from 'commander';
import { FinetuneConfig } from '../../lib/index.js';
import { addContinuedRunOptions, continuedRun, tellOutcome, type ContinuedRunFlags } from '../continued-run.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface FinetuneOptions extends ContinuedRunFlags {
  encoder?: string;
}

/** `captioner finetune`: a trained captioner and a data set in, checkpoints with an encoder of their own out. */
export function finetuneCommand(): Command {
  const command = addContinuedRunOptions(
    defineCommand(
      'finetune',
      `Trains encoder and decoder of a trained captioner together on a data set's photos.

The folder of the run gets \`best\` and \`last\`, each with its \`encoder.onnx\`, and \`history.jsonl\`. \`best\` is the epoch whose captions of the dev photos have the best CIDEr, or what the run began with, where none is better. Ctrl-C saves and stops; --resume goes on, also after a crash, and ends in the same weights as a run that was never stopped.`,
      [
        [
          'captioner finetune --data flickr8k --checkpoint runs/first --out runs/tuned',
          'go on from a trained captioner',
        ],
        ['captioner finetune --data my.csv --out runs/my --trainable-layers 10', 'the shipped one, on your own photos'],
        ['captioner caption --checkpoint runs/tuned photo.jpg', 'use it'],
      ],
    ),
  ).option('--encoder <file>', "ONNX file of the checkpoint's encoder, if it is not found by its name.");
  const config = addConfigOptions(command, { finetuning: FinetuneConfig });

  return command.action(
    runCommand(async ({ options, ...context }) => {
      const { encoder, json, ...flags } = options as FinetuneOptions;
      config.read(); // checks a config file before anything is loaded
      const run = await continuedRun(flags, context);
      const { finetuneCaptioner } = await import('../../lib/training.js');
      const outcome = await finetuneCaptioner({
        ...run,
        ...(encoder !== undefined && { encoder }),
        config: config.given().finetuning,
      });
      tellOutcome(outcome, json);
    }),
  );
}
