import type { Command } from 'commander';
import { defaultCheckpoint, FinetuneConfig, lastDataset, splitPhotos } from '../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from './dataset.js';
import { epochTable, outcomeJson, outcomeLine } from './epochs.js';
import { addConfigOptions, defineCommand } from './options.js';
import { runCommand } from './run.js';

interface FinetuneOptions extends DatasetFlags {
  checkpoint?: string;
  encoder?: string;
  out: string;
  resume?: true;
  json?: true;
}

/** `captioner finetune`: a trained captioner and a data set in, checkpoints with an encoder of their own out. */
export function finetuneCommand(): Command {
  const command = addDatasetOptions(
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
  )
    .option('--checkpoint <folder>', 'Trained captioner to begin with. (default: the one that comes with the package)')
    .option('--encoder <file>', "ONNX file of the checkpoint's encoder, if it is not found by its name.")
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--resume', 'Go on with the run in --out where it stopped, with the hyperparameters it has; or start it.')
    .option('--json', 'Print where the best checkpoint is and how good, as JSON.');
  const config = addConfigOptions(command, { finetuning: FinetuneConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as FinetuneOptions;
      const { checkpoint, encoder, out, resume, json } = chosen;
      config.read(); // checks a config file before anything is loaded
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const { finetuneCaptioner } = await import('../lib/training.js');
      const {
        best,
        config: trained,
        state,
      } = await finetuneCaptioner({
        manifest,
        checkpoint: checkpoint ?? defaultCheckpoint(),
        ...(encoder !== undefined && { encoder }),
        out,
        config: config.given().finetuning,
        resume: resume ?? false,
        progress,
        signal,
        warn: (line) => {
          warn(`captioner: ${line}`);
        },
        ...epochTable(warn),
      });
      const { devPhotos } = lastDataset(trained);
      console.log(json ? outcomeJson(best, state) : outcomeLine(best, state, devPhotos));
    }),
  );
}
