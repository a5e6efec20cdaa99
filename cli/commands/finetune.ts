import type { Command } from 'commander';
import { FinetuneConfig } from '../../lib/index.js';
import { addContinuedRunOptions, continuedRun, tellOutcome, type ContinuedRunFlags } from '../continued-run.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface FinetuneOptions extends ContinuedRunFlags {
  encoder?: string;
}

/** `captioner finetune`: trains a captioner's encoder and decoder together. */
export function finetuneCommand(): Command {
  const command = addContinuedRunOptions(
    defineCommand(
      'finetune',
      `Fine-tune the encoder and decoder of a trained captioner together on a data set's photos.

The run's folder gets \`best\` and \`last\`, each with its \`encoder.onnx\`, and \`history.jsonl\`. \`best\` is the epoch with the highest CIDEr on dev, or the starting checkpoint if no epoch is better. Ctrl-C saves and stops; --resume continues, also after a crash, and gives the same weights as an uninterrupted run.`,
      [
        [
          'captioner finetune --data flickr8k --checkpoint runs/first --out runs/tuned',
          'fine-tune a trained captioner',
        ],
        [
          'captioner finetune --data my.csv --out runs/my --trainable-layers 10',
          'fine-tune the default model on your own photos',
        ],
        ['captioner caption --checkpoint runs/tuned photo.jpg', 'use it'],
      ],
    ),
  ).option('--encoder <file>', "ONNX file of the checkpoint's encoder, if it is not found by name.");
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
