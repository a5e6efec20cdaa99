import type { Command } from 'commander';
import { openDataset, type Manifest, type Problem } from '../lib/index.js';

/** A data set, as its flags name it. */
export interface DatasetFlags {
  data: string;
  photos?: string;
}

/** The flags of a data set: `--data` and `--photos`. */
export function addDatasetOptions(command: Command): Command {
  return command
    .requiredOption('--data <data>', 'Data set: flickr8k, coco, a folder or a list (.csv, .jsonl, .json of COCO).')
    .option('--photos <folder>', 'Folder of its photos, where they are not beside the list.');
}

/** Opens the data set that the flags name, and tells what is wrong with its files. */
export async function openGiven({ data, photos }: DatasetFlags, warn: (line: string) => void): Promise<Manifest> {
  const manifest = await openDataset(data, { photos });
  for (const line of problemLines(manifest.problems)) warn(`captioner: ${line}`);
  return manifest;
}

/** A data set's problems, as lines for people: the first ones, and how many more there are. */
export function problemLines(problems: readonly Problem[], most = 10): string[] {
  const lines = problems.slice(0, most).map(({ source, line, message }) => {
    return `${source}${line === undefined ? '' : `:${line}`}: ${message}`;
  });
  if (problems.length > most) lines.push(`… and ${problems.length - most} more problems (captioner info lists all)`);
  return lines;
}
