import type { Command } from 'commander';
import {
  CaptionerError,
  Encoder,
  encoderNormalisation,
  extractFeatures,
  ExtractionConfig,
  int8FormOf,
  isInShard,
  parseShard,
  shardPath,
  splitPhotos,
  type Manifest,
  type Shard,
} from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { addConfigOptions, defineCommand, wholeNumber } from '../options.js';
import { duration } from '../progress.js';
import { runCommand } from '../run.js';
import { count, storedRows } from '../stored-rows.js';

interface ExtractOptions extends DatasetFlags {
  features: string;
  shard?: string;
  threads?: number;
  json?: true;
}

/** `captioner extract`: computes the features of photos. */
export function extractCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'extract',
      `Compute the features of a data set's photos with a pretrained encoder, for training and evaluation.

Photos that can't be decoded are skipped, listed, and tried again next time. To continue an interrupted run, run the same command again: existing features are kept.`,
      [
        ['captioner extract --data flickr8k --features features/flickr8k', 'Flickr8k'],
        [
          'captioner extract --data my.csv --features features/my --encoder resnet50',
          'your own photos, another encoder',
        ],
        [
          'captioner extract --data photos/ --features features/my --storage fp16',
          'a folder of photos, in half the space',
        ],
        [
          'captioner extract --data flickr8k --features features/mirror --views mirror',
          'the mean over each photo and its mirror image; captioners trained on it caption photos the same way',
        ],
        [
          'captioner extract --data flickr8k --features features/flickr8k --random-views 8',
          'with eight random views of each training photo, which captioner train learns from too',
        ],
        [
          'captioner extract --data my.csv --features features/my --encoder checkpoints/default/encoder.onnx --precision int8',
          "in 8 bits, with an encoder that has a file beside it, 'encoder.int8.onnx'",
        ],
        [
          'captioner extract --data my.jsonl --features features/my --encoder my-cnn.onnx',
          'with your own ONNX classifier',
        ],
        [
          'captioner extract --data my.jsonl --features features/my --encoder my-cnn.onnx --encoder-mean 0.5 --encoder-std 0.5',
          'with one that takes pixel values from -1 to 1',
        ],
        [
          'captioner extract --data coco --features features/coco --shard 2/8',
          'one eighth, into features/coco.2-of-8; captioner merge joins the parts',
        ],
      ],
    ),
  )
    .requiredOption('--features <folder>', 'Folder for the features. Created, or completed if it exists.')
    .option('--shard <i/n>', 'Process only part i of n, into its own folder: --features with .i-of-n appended.')
    .option('--threads <n>', 'Threads of the encoder. (default: all cores)', wholeNumber)
    .option('--json', 'Print numbers of photos and skipped files as JSON.')
    .addHelpText(
      'after',
      '\nExit codes: 0 every photo has features, 1 an error, 2 finished, but some photos were skipped.',
    );
  const config = addConfigOptions(command, { extraction: ExtractionConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as ExtractOptions;
      const { features, shard: part, threads, json } = chosen;
      const { extraction } = config.read();
      const shard = part === undefined ? undefined : parseShard(part);
      const folder = shard ? shardPath(features, shard) : features;
      // The training photos are chosen from the whole data set before it is cut into shards.
      const manifest = onlyShard(splitPhotos(await openGiven(chosen, warn)), shard);
      const encoder = await Encoder.load(encoderFileOf(extraction), {
        progress,
        signal,
        threads,
        views: extraction.views,
        batchSize: extraction.batchSize,
        normalisation: encoderNormalisation(extraction),
        warn: (line) => {
          warn(`captioner: ${line}`);
        },
      });
      const { stored, added, randomViews, skipped, seconds } = await extractFeatures({
        manifest,
        encoder,
        folder,
        config: extraction,
        progress,
        signal,
      });
      const all = added + randomViews.added;
      const rate = seconds > 0 ? all / seconds : 0;
      for (const { id, reason } of skipped) warn(`captioner: skipped ${id}: ${reason}`);
      if (json) {
        const { identity } = encoder;
        const { storage } = extraction;
        const speed = { seconds: Number(seconds.toFixed(3)), photosPerSecond: Number(rate.toFixed(1)) };
        const report = {
          features: folder,
          encoder: identity,
          precision: storage,
          stored,
          added,
          randomViews,
          skipped,
          ...speed,
        };
        console.log(JSON.stringify({ ...report, problems: manifest.problems }, null, 2));
      } else {
        const speed = all ? ` in ${duration(seconds)}, ${Math.round(rate)} photos/s` : '';
        console.log(`${storedRows(stored, randomViews.stored, folder)}: ${count(all)} new${speed}.`);
        if (skipped.length) console.log(`Skipped: ${count(skipped.length)}.`);
      }
      if (!skipped.length) return 0;
      return stored ? 2 : 1;
    }),
  );
}

/** The encoder's name or file, in 8 bits where that is wanted. */
function encoderFileOf({ encoder, precision }: ExtractionConfig): string {
  const file = precision === 'int8' ? int8FormOf(encoder) : encoder;
  if (file !== undefined) return file;
  throw new CaptionerError(
    'not-found',
    `There is no ${encoder.replace(/\.onnx$/i, '')}.int8.onnx, the encoder in 8 bits. Make it with captioner export --encoder-precision int8, or leave ` +
      '--precision out.',
  );
}

function onlyShard(manifest: Manifest, shard: Shard | undefined): Manifest {
  return shard ? { ...manifest, photos: manifest.photos.filter(({ id }) => isInShard(id, shard)) } : manifest;
}
