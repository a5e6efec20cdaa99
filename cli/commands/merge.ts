import type { Command } from 'commander';
import { lackingShards, mergeFeatures } from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';
import { count, storedRows } from '../stored-rows.js';

/** `captioner merge`: the feature stores of shards into one. */
export function mergeCommand(): Command {
  return defineCommand(
    'merge',
    `Joins folders of features into one. They must come from the same encoder and be of the same views, in the same precision.

Features that are there already are not copied again: after another run of a shard, the same command adds what is new.`,
    [
      [
        'captioner merge features/coco.*-of-8 --features features/coco',
        'the eight shards of captioner extract --shard',
      ],
      ['captioner merge features/flickr8k features/my --features features/both', 'two data sets'],
    ],
  )
    .argument('<folders...>', 'Folders of features.')
    .requiredOption('--features <folder>', 'Folder for all of them: made, or completed if it is there.')
    .option('--json', 'Print what was done as JSON.')
    .action(
      runCommand(async ({ options, progress, signal, warn }, sources: string[]) => {
        const { features: folder, json } = options as { features: string; json?: true };
        const lacking = lackingShards(sources);
        if (lacking.length) warn(`captioner: without the shards ${lacking.join(', ')}, which were not named`);
        const { stored, added, randomViews, skipped } = await mergeFeatures({ sources, folder, progress, signal });
        if (json)
          console.log(JSON.stringify({ features: folder, stored, added, randomViews, skipped, lacking }, null, 2));
        else {
          console.log(`${storedRows(stored, randomViews.stored, folder)}: ${count(added + randomViews.added)} new.`);
          if (skipped) console.log(`Skipped: ${count(skipped)}.`);
        }
      }),
    );
}
