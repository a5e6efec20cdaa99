import { InvalidArgumentError, Option, type Command } from 'commander';
import { calibrateConfidence, InferenceConfig, openFeatures, splitPhotos, type Split } from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface CalibrateOptions extends DatasetFlags {
  checkpoint: string;
  features: string;
  split: Split;
  threshold: number;
  json?: true;
}

/** `captioner calibrate`: fits the confidence of a checkpoint's captions on dev photos. */
export function calibrateCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'calibrate',
      `Calibrate a captioner's confidence: the probability that a caption is good.

Captions the dev photos, scores the captions, and fits a logistic regression on their log-probabilities. The result is stored in the checkpoint's config.json; captioner caption and captioner serve then report a confidence with each caption.`,
      [
        [
          'captioner calibrate --checkpoint runs/first --data flickr8k --features features/flickr8k',
          'calibrate a training run',
        ],
        ['captioner caption photos/ --checkpoint runs/first --min-confidence 0.5', 'withhold uncertain captions'],
      ],
    ),
  )
    .requiredOption('--checkpoint <folder>', 'Checkpoint or training run.')
    .requiredOption('--features <folder>', 'Features of the photos, from captioner extract.')
    .addOption(new Option('--split <split>', 'Split to fit on.').choices(['train', 'dev', 'test']).default('dev'))
    .option('--threshold <cider>', 'Lowest CIDEr-D of a good caption.', threshold, 0.5)
    .option('--json', 'Print the calibration as JSON.');
  const config = addConfigOptions(command, { inference: InferenceConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const { checkpoint: folder, features: store, ...chosen } = options as CalibrateOptions;
      const { split, threshold, json } = chosen;
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const features = openFeatures(store);
      try {
        const request = { folder, manifest, features, split, threshold, ...config.read().inference, progress, signal };
        const calibration = await calibrateConfidence(request);
        const { photos, good, auc } = calibration.fit;
        console.log(
          json
            ? JSON.stringify(calibration)
            : `${(100 * good).toFixed(0)} % of the captions of ${photos} ${split} photos are good (CIDEr of at least ${threshold}). ` +
                `Area under the ROC curve of the confidence: ${auc.toFixed(2)} (0.5: chance, 1: perfect).`,
        );
      } finally {
        features.close();
      }
    }),
  );
}

function threshold(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && Number.isFinite(value)) return value;
  throw new InvalidArgumentError('Expected a number of at least 0.');
}
