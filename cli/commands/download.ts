import type { Command } from 'commander';
import {
  downloadDataset,
  encoderFile,
  encoders,
  encoderSource,
  mirroredDataset,
  missingArchives,
  publishedDataset,
  publishedDatasets,
  type PublishedDataset,
  type RegisteredEncoder,
} from '../../lib/index.js';
import { defineCommand } from '../options.js';
import { runCommand, type Run } from '../run.js';

interface DownloadOptions {
  to: string;
  keepArchives?: true;
  json?: true;
}

/** The `--json` output for one name. */
interface Downloaded {
  readonly name: string;
  /** Folder of a data set, or file of an encoder. */
  readonly place: string;
  /** Archives downloaded for it. */
  readonly fetched: readonly string[];
}

/** `captioner download`: downloads public data sets and encoders. */
export function downloadCommand(): Command {
  return defineCommand(
    'download',
    `Download data sets and encoders from their publishers. Without a name, list what is available.

To continue an interrupted download, run the same command again. Archives are verified before unpacking, and a data set's folder contains complete parts only. If CAPTIONER_MIRROR is set to a folder or URL, files come from there, by path (flickr8k/Flickr8k_text.zip) or by name.`,
    [
      ['captioner download', 'list names, sizes, and what is already here'],
      ['captioner download flickr8k', 'into data/flickr8k'],
      ['captioner download coco', "COCO 2014 with Karpathy's splits, 20 GB"],
      ['captioner download coco2017 --to /mnt/large', 'into /mnt/large/coco2017'],
      ['captioner download resnet50', 'an encoder, into the cache folder'],
    ],
  )
    .argument('[names...]', 'Data sets and encoders.')
    .option('--to <folder>', 'Folder for data sets.', 'data')
    .option('--keep-archives', 'Keep the archives after unpacking.')
    .option('--json', 'Print the locations as JSON.')
    .action(
      runCommand(async (run, names: string[]) => {
        const options = run.options as DownloadOptions;
        if (!names.length) {
          list(options);
          return;
        }
        // Checks all names before the first download, which may be large.
        const encoderNames = encoders.map(({ name }) => name);
        const wanted = names.map(
          (name) => encoders.find((each) => each.name === name) ?? publishedDataset(name, encoderNames),
        );
        const done: Downloaded[] = [];
        for (const each of wanted) {
          const outcome = 'archives' in each ? await fetchDataset(each, options, run) : await fetchEncoder(each, run);
          done.push(outcome);
          if (!options.json)
            console.log(`${outcome.name} is in ${outcome.place}${outcome.fetched.length ? '' : ' already'}.`);
        }
        if (options.json) console.log(JSON.stringify(done, null, 2));
      }),
    );
}

async function fetchDataset(
  dataset: PublishedDataset,
  { to, keepArchives }: DownloadOptions,
  run: Run,
): Promise<Downloaded> {
  const { name, licence, homepage } = dataset;
  const mirrored = mirroredDataset(dataset);
  if (mirrored !== undefined) return { name, place: mirrored, fetched: [] };
  if (missingArchives(dataset, to).length) run.warn(`${name} (${homepage}): ${licence}`);
  const { progress, signal } = run;
  const { folder, unpacked } = await downloadDataset(dataset, { folder: to, keepArchives, progress, signal });
  return { name, place: folder, fetched: unpacked };
}

async function fetchEncoder(encoder: RegisteredEncoder, { warn, progress, signal }: Run): Promise<Downloaded> {
  const { isHere, file } = encoderSource(encoder);
  if (!isHere) warn(`${encoder.name}: ${encoder.licence} licence`);
  const place = await encoderFile(encoder, { progress, signal });
  return { name: encoder.name, place, fetched: isHere ? [] : [file.path.split('/').at(-1)!] };
}

/** Lists what can be downloaded, and what is already here. */
function list({ to, json }: DownloadOptions): void {
  const rows = [
    ...publishedDatasets.map((dataset) => ({
      name: dataset.name,
      what: dataset.title,
      bytes: dataset.archives.reduce((sum, { bytes, unpacked }) => sum + (bytes ?? unpacked), 0),
      here: mirroredDataset(dataset) !== undefined || missingArchives(dataset, to).length === 0,
      licence: dataset.licence,
    })),
    ...encoders.map((encoder) => ({
      name: encoder.name,
      what: `encoder, ${encoder.dimension.toLocaleString('en')} features`,
      bytes: encoder.file.bytes,
      here: encoderSource(encoder).isHere,
      licence: encoder.licence,
    })),
  ];
  if (json) {
    console.log(JSON.stringify(rows, null, 2));
    return;
  }
  const width = Math.max(...rows.map(({ name }) => name.length));
  const size = (bytes: number) => (bytes >= 1e9 ? `${(bytes / 1e9).toFixed(1)} GB` : `${Math.round(bytes / 1e6)} MB`);
  for (const { name, what, bytes, here } of rows) {
    console.log(`${name.padEnd(width)}  ${size(bytes).padStart(7)}  ${here ? 'here' : '    '}  ${what}`);
  }
}
