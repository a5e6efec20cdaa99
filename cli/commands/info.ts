import { existsSync } from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import {
  CaptionerError,
  findCheckpoint,
  loadCheckpoint,
  openDataset,
  openFeatures,
  readSkipped,
  summarise,
  Vocabulary,
  VocabularyConfig,
  parseConfig,
  type DatasetOptions,
  type DatasetSummary,
  type PhotoCounts,
  type ProgressReporter,
} from '../../lib/index.js';
import { problemLines } from '../dataset.js';
import { defineCommand } from '../options.js';
import { runCommand } from '../run.js';

/** `captioner info`: what is in a data set, a feature store or a checkpoint. */
export function infoCommand(): Command {
  return defineCommand('info', 'Describe a data set, a folder of features or a checkpoint.', [
    ['captioner info data/flickr8k', 'photos and captions of each split, and problems in its files'],
    ['captioner info my.csv', 'the same for your own data'],
    ['captioner info features/flickr8k --verify', 'the encoder that made the features; verifies every row'],
    ['captioner info runs/first', 'how a captioner was trained, and its scores'],
  ])
    .argument(
      '<path>',
      'Data set (flickr8k, coco, a folder or a list), folder of photos or features, checkpoint or training run.',
    )
    .option('--photos <folder>', 'Folder of the photos of a data set, if not next to the list.')
    .option('--encoding <name>', "Encoding of the data set's list, such as windows-1252. (default: utf-8)")
    .option('--verify', 'Read all features and verify their checksums.')
    .option('--json', 'Print the description as JSON.')
    .action(
      runCommand(async ({ options, progress }, place: string) => {
        const kind = kindOf(place);
        const verify = options.verify === true;
        if (verify && kind !== 'features') {
          throw new CaptionerError('bad-option', '--verify applies only to folders of features.');
        }
        const facts =
          kind === 'checkpoint'
            ? checkpointInfo(place)
            : kind === 'features'
              ? featuresInfo(place, verify ? progress : undefined)
              : { kind, ...summarise(await openDataset(place, options as DatasetOptions)) };
        if (options.json) console.log(JSON.stringify(facts, null, 2));
        else console.log((facts.kind === 'dataset' ? datasetLines(facts) : lines(facts)).join('\n'));
      }),
    );
}

const { minCount } = parseConfig(VocabularyConfig, {});

type Kind = 'checkpoint' | 'features' | 'dataset';

function kindOf(place: string): Kind {
  if (existsSync(path.join(place, 'meta.json')) && existsSync(path.join(place, 'features.bin'))) return 'features';
  try {
    findCheckpoint(place);
    return 'checkpoint';
  } catch {
    return 'dataset';
  }
}

function checkpointInfo(place: string) {
  const folder = findCheckpoint(place);
  const { config } = loadCheckpoint(folder);
  const { captioner, encoder, dataset, trained, decoder, vocabulary, vocabularySize, training } = config;
  const trainedOn = { ...dataset, ...trained };
  const words = { known: vocabularySize, ...vocabulary };
  return {
    ...{ kind: 'checkpoint' as const, folder, captioner, encoder, decoder, words, trainedOn, training },
    ...(config.from && { from: { ...config.from, datasets: config.from.datasets.map(({ name }) => name).join(', ') } }),
    ...(config.finetuned && { finetuned: config.finetuned }),
    ...(config.reinforced && { reinforced: config.reinforced }),
    scores: config.scores,
  };
}

/** @param verification receives the progress if every row is verified. */
function featuresInfo(folder: string, verification?: ProgressReporter) {
  const store = openFeatures(folder);
  const { encoder, precision, dimension, ids, randomViews } = store;
  const all = [...ids, ...randomViews];
  try {
    const row = new Float32Array(dimension);
    verification?.start('Verifying', all.length, 'rows');
    for (const [i, id] of (verification ? all : []).entries()) {
      store.read(id, row);
      verification!.update(i + 1);
    }
  } finally {
    verification?.stop();
    store.close();
  }
  const skipped = readSkipped(folder);
  const bytes = all.length * dimension * (precision === 'fp16' ? 2 : 4);
  const facts = {
    kind: 'features' as const,
    folder,
    encoder,
    precision,
    dimension,
    photos: ids.length,
    ...(randomViews.length && { randomViews: randomViews.length }),
    bytes,
    skipped,
  };
  return verification ? { ...facts, verified: true } : facts;
}

/** Facts as indented lines: `name  value`. */
function lines(facts: object, indent = ''): string[] {
  const entries = Object.entries(facts) as [string, unknown][];
  const width = Math.max(...entries.map(([name]) => name.length));
  return entries.flatMap(([name, value]) => {
    if (Array.isArray(value)) {
      const items = value.map(
        (item) => `${indent}  ${typeof item === 'object' ? Object.values(item as object).join(': ') : String(item)}`,
      );
      return [`${indent}${name.padEnd(width)}  ${value.length}`, ...items];
    }
    if (typeof value === 'object' && value !== null) return [`${indent}${name}`, ...lines(value, `${indent}  `)];
    const text = typeof value === 'number' && Number.isInteger(value) ? value.toLocaleString('en') : String(value);
    return [`${indent}${name.padEnd(width)}  ${text}`];
  });
}

function datasetLines(summary: DatasetSummary): string[] {
  const { name, photos, captions, splits, captionsPerPhoto, words, vocabulary, problems } = summary;
  const row = (label: string, counts: PhotoCounts) =>
    `  ${label.padEnd(8)}  ${counts.photos.toLocaleString('en').padStart(9)}  ${counts.captions.toLocaleString('en').padStart(9)}`;
  const { least, most } = captionsPerPhoto;
  return [
    name,
    `  split        photos   captions`,
    ...Object.entries(splits).map(([split, counts]) => row(split, counts)),
    row('all', { photos, captions }),
    `${least === most ? least : `${least} to ${most}`} captions per photo`,
    ...(words ? [`${words.least} to ${words.most} words per caption, ${words.mean.toFixed(1)} on average`] : []),
    ...(vocabulary
      ? [
          `${(100 * (1 - vocabulary.share)).toFixed(1)} % of the words are unknown to a vocabulary of the ${(vocabulary.size - Vocabulary.SPECIALS).toLocaleString('en')} words seen ${minCount} times or more`,
        ]
      : []),
    problems.length ? `${problems.length} problem${problems.length === 1 ? '' : 's'}:` : 'no problems',
    ...problemLines(problems, Infinity).map((line) => `  ${line}`),
  ];
}
