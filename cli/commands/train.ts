import type { Command } from 'commander';
import {
  CaptionerError,
  DecoderConfig,
  openFeatures,
  readJson,
  splitPhotos,
  TrainingConfig,
  Vocabulary,
  VocabularyConfig,
} from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { epochTable, outcomeJson, outcomeLine } from '../epochs.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface TrainOptions extends DatasetFlags {
  features: string;
  out: string;
  from?: string;
  vocabulary?: string;
  resume?: true;
  json?: true;
}

/** `captioner train`: trains a captioner on a data set and its features. */
export function trainCommand(): Command {
  const command = addDatasetOptions(
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
  )
    .requiredOption('--features <folder>', "Features of the data set's photos, from captioner extract.")
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--from <checkpoint>', "Start from a trained captioner's weights and vocabulary. Suits small data sets.")
    .option('--vocabulary <file>', 'Vocabulary from captioner vocab. (default: built from the training captions)')
    .option('--resume', 'Resume the run in --out with its hyperparameters, or start it if there is none.')
    .option('--json', 'Print the best checkpoint and its scores as JSON.');
  const config = addConfigOptions(command, {
    decoder: DecoderConfig,
    vocabulary: VocabularyConfig,
    training: TrainingConfig,
  });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as TrainOptions;
      const { features: folder, out, from, vocabulary: file, resume, json } = chosen;
      config.read(); // checks a config file before anything is loaded
      const given = config.given();
      if (file !== undefined && Object.keys(given.vocabulary).length > 0) {
        throw new CaptionerError(
          'bad-option',
          'Vocabulary options have no effect on a given --vocabulary. Leave one or the other out.',
        );
      }
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
        decoder: given.decoder,
        training: given.training,
        vocabulary: file === undefined ? given.vocabulary : readVocabulary(file),
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

function readVocabulary(file: string): Vocabulary {
  const json = readJson(file, 'The vocabulary');
  try {
    return Vocabulary.fromJSON(json);
  } catch (cause) {
    throw new CaptionerError('bad-input', `${file} is not a vocabulary: ${(cause as Error).message}`, { cause });
  }
}
