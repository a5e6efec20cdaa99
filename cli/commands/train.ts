import type { Command } from 'commander';
import { openFeatures, splitPhotos } from '../../lib/index.js';
import { openGiven } from '../dataset.js';
import { epochTable, outcomeJson, outcomeLine } from '../epochs.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';
import { addTrainConfig, addTrainOptions, readTrainConfig, type TrainFlags } from '../train-options.js';

interface TrainOptions extends TrainFlags {
  resume?: true;
  json?: true;
}

/** `captioner train`: trains a captioner on a data set and its features. */
export function trainCommand(): Command {
  const command = addTrainOptions(
    defineCommand(
      'train',
      `Train a captioner on the features of a data set's photos.

The run's folder gets \`best\` (the epoch with the highest CIDEr on dev), \`last\` (to resume from) and \`history.jsonl\`. Ctrl-C saves and stops; --resume continues, also after a crash, and gives the same weights as an uninterrupted run.`,
      [
        ['captioner train --data flickr8k --features features/flickr8k --out runs/first', 'train with the defaults'],
        [
          'captioner train --data my.csv --features features/my --out runs/my --epochs 30 --hidden-size 256',
          'your own',
        ],
        [
          'captioner train --data my.csv --features features/my --out runs/my --from checkpoints/default --learning-rate 0.0005',
          'teach the default model your captions',
        ],
        ['captioner train --data flickr8k --features features/flickr8k --out runs/first --resume', 'resume the run'],
      ],
    ),
    'Folder of the run.',
  )
    .option('--resume', 'Resume the run in --out with its hyperparameters, or start it if there is none.')
    .option('--json', 'Print the best checkpoint and its scores as JSON.');
  const config = addTrainConfig(command);

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as TrainOptions;
      const { features: folder, out, from, vocabulary: file, resume, json } = chosen;
      const { decoder, training, vocabulary } = readTrainConfig(config, file);
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const features = openFeatures(folder);
      const { trainCaptioner } = await import('../../lib/training.js');
      const {
        best,
        config: trained,
        state,
      } = await trainCaptioner({
        manifest,
        features,
        out,
        from,
        decoder,
        training,
        vocabulary,
        resume: resume ?? false,
        progress,
        signal,
        warn: (line) => {
          warn(`captioner: ${line}`);
        },
        onEpoch: epochTable(warn).onEpoch,
      });
      features.close();
      console.log(json ? outcomeJson(best, state) : outcomeLine(best, state, trained.dataset.devPhotos));
    }),
  );
}
