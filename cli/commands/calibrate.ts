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

/** `captioner calibrate`: a checkpoint and dev photos in, the confidence of its captions out. */
export function calibrateCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'calibrate',
      `Calibrate how sure a captioner is: the confidence of a caption is the probability that it is good.

Captions the dev photos, scores the captions, and fits a logistic regression on their log-probabilities. The result goes into the checkpoint's config.json; captioner caption and captioner serve then give each caption a confidence.`,
      [
        [
          'captioner calibrate --checkpoint runs/first --data flickr8k --features features/flickr8k',
          'calibrate a training run',
        ],
        [
          'captioner caption photos/ --checkpoint runs/first --min-confidence 0.5',
          'withhold captions that are not sure',
        ],
      ],
    ),
  )
    .requiredOption('--checkpoint <folder>', 'Trained captioner or training run.')
    .requiredOption('--features <folder>', 'Features of the photos, as captioner extract made them.')
    .addOption(new Option('--split <split>', 'Photos to fit on.').choices(['train', 'dev', 'test']).default('dev'))
    .option('--threshold <cider>', 'A caption is good when its CIDEr-D is at least this.', threshold, 0.5)
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
            : `${(100 * good).toFixed(0)} % of the captions of ${photos} ${split} photos are good (CIDEr ${threshold} or more). ` +
                `The confidence tells them from the others with an area of ${auc.toFixed(2)} under the ROC curve (0.5: not at all; 1: perfectly).`,
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
