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

/** What `--json` says of each name. */
interface Downloaded {
  readonly name: string;
  /** A data set's folder, or an encoder's file. */
  readonly place: string;
  /** Archives that were fetched for it. */
  readonly fetched: readonly string[];
}

/** `captioner download`: public data sets and encoders, to this machine. */
export function downloadCommand(): Command {
  return defineCommand(
    'download',
    `Downloads data sets and encoders from where they are published. Without a name, it lists what there is.

A download that was cut off, stopped or killed goes on when the same command is given again. Archives are verified and unpacked; a data set's folder holds whole parts only. CAPTIONER_MIRROR names a folder or a URL to take files from instead: by their path (flickr8k/Flickr8k_text.zip) or their name.`,
    [
      ['captioner download', 'what there is, how large, and what is here'],
      ['captioner download flickr8k', 'into data/flickr8k'],
      ['captioner download coco', "COCO 2014 with Karpathy's splits, 20 GB"],
      ['captioner download coco2017 --to /mnt/large', 'into /mnt/large/coco2017'],
      ['captioner download resnet50', 'an encoder, into the cache folder'],
    ],
  )
    .argument('[names...]', 'Data sets and encoders.')
    .option('--to <folder>', 'Folder of the data sets.', 'data')
    .option('--keep-archives', 'Keep the archives after unpacking them.')
    .option('--json', 'Print where everything is, as JSON.')
    .action(
      runCommand(async (run, names: string[]) => {
        const options = run.options as DownloadOptions;
        if (!names.length) {
          list(options);
          return;
        }
        // All names are looked at before the first, large perhaps, is fetched.
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

/** What can be downloaded, and whether it is here. */
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
