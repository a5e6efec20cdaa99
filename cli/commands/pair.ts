import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Command } from 'commander';
import * as z from 'zod';
import {
  captionsByLabels,
  CaptionerError,
  findCheckpoint,
  loadCheckpoint,
  loadDecoder,
  openFeatures,
  pairCaptions,
  readText,
  type Manifest,
  type ProgressReporter,
} from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface PairOptions extends DatasetFlags {
  text: string;
  labels?: string;
  checkpoint?: string;
  features?: string;
  out: string;
  json?: true;
}

interface Paired {
  readonly photos: readonly Listed[];
  /** Captions that were given to a photo, and all captions. */
  readonly placed: number;
  readonly given: number;
}

/** A line of the list. */
type Listed = Pick<Manifest['photos'][number], 'id' | 'file' | 'captions' | 'split'>;

const Text = z.object({ captions: z.array(z.string()), labels: z.array(z.string()).optional() });
const Labels = z.object({ file: z.string(), labels: z.array(z.string()) });

/** `captioner pair`: captions without images and a data set in, a data set to train on out. */
export function pairCommand(): Command {
  return addDatasetOptions(
    defineCommand(
      'pair',
      `Assign captions without images to photos that they fit.

A decoder can learn language from more text than there are photos: pretrain it on the result, then train it on the data set itself with --from.

With --labels, captions are assigned to uncaptioned photos that show the same objects, and a trained captioner chooses the best for each photo. Train on that result in place of the data set.`,
      [
        ['captioner pair --data my.jsonl --text coco-captions.jsonl --out paired.jsonl', 'make the data'],
        ['captioner train --data paired.jsonl --features features/my --out runs/language --epochs 2', 'pretrain'],
        ['captioner train --data my.jsonl --features features/my --out runs/my --from runs/language/last', 'train'],
        [
          'captioner pair --data my.jsonl --text coco-captions.jsonl --labels labels.jsonl --checkpoint runs/my --features features/all --out more.jsonl',
          'caption photos that have labels but no captions',
        ],
      ],
    ),
  )
    .requiredOption(
      '--text <file.jsonl>',
      'Captions, a line for each image: {"captions": ["…", "…"], "labels": ["dog"]}.',
    )
    .option('--labels <file.jsonl>', 'Objects in photos, a line for each photo: {"file": "1.jpg", "labels": ["dog"]}.')
    .option('--checkpoint <folder>', 'With --labels: checkpoint or training run that chooses the captions.')
    .option('--features <folder>', "With --labels: features of these photos by the checkpoint's encoder.")
    .requiredOption('-o, --out <file.jsonl>', 'File for the photos with all their captions.')
    .option('--json', 'Print the numbers as JSON.')
    .action(
      runCommand(async ({ options, progress, signal, warn }) => {
        const chosen = options as PairOptions;
        const { out, json, ...data } = chosen;
        const manifest = await openGiven(data, warn);
        const { photos, placed, given } =
          chosen.labels === undefined
            ? byCaptions(manifest, chosen, { progress, signal })
            : await byLabels(manifest, chosen, { progress, signal });
        const folder = path.dirname(path.resolve(out));
        const lines = photos.map(({ id, file, captions, split }) => {
          // Ids stay those of the features: the photos are found by --photos, as before.
          const place = data.photos === undefined ? path.relative(folder, file).split(path.sep).join('/') : id;
          return JSON.stringify({ file: place, captions, ...(split && { split }) });
        });
        await writeFile(out, `${lines.join('\n')}\n`);
        const count = (n: number) => n.toLocaleString('en');
        console.log(
          json
            ? JSON.stringify({ out, placed, given })
            : `${count(placed)} of ${count(given)} captions were assigned to a photo; the list is ${out}.`,
        );
      }),
    );
}

interface Reporting {
  readonly progress: ProgressReporter;
  readonly signal: AbortSignal;
}

function byCaptions(manifest: Manifest, { text }: PairOptions, reporting: Reporting): Paired {
  const groups = readLines(text, Text, '{"captions": ["…"]}').map(({ captions }) => captions);
  const { manifest: paired, placed, given } = pairCaptions(manifest, groups, reporting);
  return { photos: paired.photos, placed, given };
}

async function byLabels(manifest: Manifest, options: PairOptions, reporting: Reporting): Promise<Paired> {
  const { text, labels: labelFile, checkpoint: folder, features: store, photos: base } = options;
  if (folder === undefined || store === undefined) {
    throw new CaptionerError(
      'bad-option',
      '--labels needs --checkpoint and --features: a captioner chooses the captions.',
    );
  }
  const images = readLines(text, Text, '{"captions": ["…"], "labels": ["…"]}').map(({ captions, labels = [] }) => ({
    captions,
    labels,
  }));
  const known = new Set(manifest.photos.map(({ id }) => id));
  const features = openFeatures(store);
  const labelled = readLines(labelFile!, Labels, '{"file": "…", "labels": ["…"]}')
    .filter(({ file, labels }) => labels.length > 0 && !known.has(file))
    .map(({ file, labels }) => ({ id: file, labels }));
  const photos = labelled.filter(({ id }) => features.has(id));
  if (photos.length === 0) {
    const why = labelled.length > 0 ? `${store} has no features of the labelled photos` : 'all of them have captions';
    throw new CaptionerError('bad-input', `${labelFile} lists no photo to caption: ${why}.`);
  }
  const checkpoint = loadCheckpoint(findCheckpoint(folder));
  const decoder = await loadDecoder([checkpoint]);
  try {
    const except = manifest.photos.flatMap(({ split, captions }) => (split === 'train' ? [] : captions));
    const found = await captionsByLabels(photos, images, {
      decoder,
      vocabulary: checkpoint.vocabulary,
      features,
      except,
      ...reporting,
    });
    const place = base ?? path.dirname(path.resolve(labelFile!));
    const added = [...found].map(([id, captions]): Listed => ({
      id,
      file: path.join(place, id),
      captions,
      split: 'train',
    }));
    return {
      photos: [...manifest.photos, ...added],
      placed: added.reduce((sum, { captions }) => sum + captions.length, 0),
      given: images.reduce((sum, { captions }) => sum + captions.length, 0),
    };
  } finally {
    features.close();
    await decoder.release();
  }
}

function readLines<Line>(file: string, schema: z.ZodType<Line>, shape: string): Line[] {
  return readText(file, 'The list')
    .split('\n')
    .flatMap((line, i) => {
      if (line.trim() === '') return [];
      try {
        return [schema.parse(JSON.parse(line))];
      } catch (cause) {
        throw new CaptionerError('bad-input', `Line ${i + 1} of ${file} is not ${shape}.`, { cause });
      }
    });
}
