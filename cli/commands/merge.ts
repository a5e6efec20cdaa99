import type { Command } from 'commander';
import { lackingShards, mergeFeatures } from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';
import { count, storedRows } from '../stored-rows.js';

interface MergeOptions {
  features: string;
  json?: true;
  mixedPrecision?: true;
}

/** `captioner merge`: joins the feature stores of shards. */
export function mergeCommand(): Command {
  return defineCommand(
    'merge',
    `Join folders of features. All must have the same encoder, views and precision.

Features that are already in the target are not copied again. After another run of a shard, the same command adds the new ones.`,
    [
      [
        'captioner merge features/coco.*-of-8 --features features/coco',
        'the eight shards of captioner extract --shard',
      ],
      ['captioner merge features/flickr8k features/my --features features/both', 'two data sets'],
    ],
  )
    .argument('<folders...>', 'Folders of features.')
    .requiredOption('--features <folder>', 'Folder for all features. Created, or completed if it exists.')
    .option('--mixed-precision', 'Allow features in fp32 and in 8 bits of the same encoder in one folder.')
    .option('--json', 'Print the numbers as JSON.')
    .action(
      runCommand(async ({ options, progress, signal, warn }, sources: string[]) => {
        const { features: folder, json, mixedPrecision } = options as MergeOptions;
        const lacking = lackingShards(sources);
        if (lacking.length) warn(`captioner: shards ${lacking.join(', ')} were not given; the result is incomplete`);
        const { stored, added, randomViews, skipped } = await mergeFeatures({
          ...{ sources, folder, mixedPrecision, progress, signal },
        });
        if (json)
          console.log(JSON.stringify({ features: folder, stored, added, randomViews, skipped, lacking }, null, 2));
        else {
          console.log(`${storedRows(stored, randomViews.stored, folder)}: ${count(added + randomViews.added)} new.`);
          if (skipped) console.log(`Skipped: ${count(skipped)}.`);
        }
      }),
    );
}
