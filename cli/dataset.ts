import type { Command } from 'commander';
import { openDataset, type Manifest, type Problem } from '../lib/index.js';

/** A data set, as named by flags. */
export interface DatasetFlags {
  data: string;
  photos?: string;
  encoding?: string;
}

/** Adds the flags of a data set: `--data`, `--photos` and `--encoding`. */
export function addDatasetOptions(command: Command): Command {
  return command
    .requiredOption('--data <data>', 'Data set: flickr8k, coco, a folder or a list (.csv, .tsv, .txt, .jsonl, .json).')
    .option('--photos <folder>', 'Folder of the photos, if not next to the list.')
    .option('--encoding <name>', 'Encoding of the list, such as windows-1252. (default: utf-8)');
}

/** Opens the data set that the flags name and warns about problems in its files. */
export async function openGiven(
  { data, photos, encoding }: DatasetFlags,
  warn: (line: string) => void,
): Promise<Manifest> {
  const manifest = await openDataset(data, { photos, encoding });
  for (const line of problemLines(manifest.problems)) warn(`captioner: ${line}`);
  return manifest;
}

/** Formats the first problems of a data set as lines, and the number of the others. */
export function problemLines(problems: readonly Problem[], most = 10): string[] {
  const lines = problems.slice(0, most).map(({ source, line, message }) => {
    return `${source}${line === undefined ? '' : `:${line}`}: ${message}`;
  });
  if (problems.length > most) lines.push(`… and ${problems.length - most} more problems (captioner info lists all)`);
  return lines;
}
