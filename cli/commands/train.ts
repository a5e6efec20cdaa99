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

/** `captioner train`: a data set and its features in, checkpoints out. */
export function trainCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'train',
      `Trains a captioner on the features of a data set's photos.

The folder of the run gets \`best\` (the epoch whose captions of the dev photos have the best CIDEr), \`last\` (to resume from) and \`history.jsonl\`. Ctrl-C saves and stops; --resume goes on, also after a crash, and ends in the same weights as a run that was never stopped.`,
      [
        ['captioner train --data flickr8k --features features/flickr8k --out runs/first', 'train with the defaults'],
        [
          'captioner train --data my.csv --features features/my --out runs/my --epochs 30 --hidden-size 256',
          'your own',
        ],
        [
          'captioner train --data my.csv --features features/my --out runs/my --from checkpoints/default --learning-rate 0.0005',
          'teach the captioner in the box your captions',
        ],
        ['captioner train --data flickr8k --features features/flickr8k --out runs/first --resume', 'go on'],
      ],
    ),
  )
    .requiredOption('--features <folder>', 'Features of its photos, as captioner extract made them.')
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option(
      '--from <checkpoint>',
      'Begin with a trained captioner: its weights and words. Little data of your own is enough then.',
    )
    .option('--vocabulary <file>', 'Vocabulary that captioner vocab wrote. (default: built from the training captions)')
    .option('--resume', 'Go on with the run in --out where it stopped, with the hyperparameters it has; or start it.')
    .option('--json', 'Print where the best checkpoint is and how good, as JSON.');
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
          'A vocabulary that is given (--vocabulary) is not built: leave out its options.',
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
    throw new CaptionerError('bad-input', `${file} is no vocabulary: ${(cause as Error).message}`, { cause });
  }
}
