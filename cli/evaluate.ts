import { existsSync } from 'node:fs';
import { copyFile, mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { InvalidArgumentError, Option, type Command } from 'commander';
import {
  evaluateCaptioner,
  findCheckpoint,
  loadCheckpoint,
  openDataset,
  openFeatures,
  SearchConfig,
  splitPhotos,
  type Evaluation,
  type Split,
} from '../lib/index.js';
import { addConfigOptions, defineCommand } from './options.js';
import { runCommand } from './run.js';

interface EvaluateOptions {
  checkpoint: string;
  data: string;
  features: string;
  split: Split;
  beam: number[];
  out?: string;
  json?: true;
}

/** `captioner evaluate`: a checkpoint and a data set in, scores out. */
export function evaluateCommand(): Command {
  const command = defineCommand(
    'evaluate',
    `Captions the photos of a split and scores the captions: BLEU-1 to 4, ROUGE-L and CIDEr-D.

Hyperparameters and the width of the beam are chosen on dev; test is for the final score alone.`,
    [
      ['captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k', 'scores on test'],
      [
        'captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k --split dev --beam 1,3,5',
        'choose a beam',
      ],
      [
        'captioner evaluate --checkpoint runs/first --data flickr8k --features features/flickr8k --out results/first',
        'keep captions and scores',
      ],
    ],
  )
    .requiredOption('--checkpoint <folder>', 'Trained captioner or training run.')
    .requiredOption('--data <data>', 'Data set: a Flickr8k folder, a .csv or .jsonl file.')
    .requiredOption('--features <folder>', 'Features of its photos, as captioner extract made them.')
    .addOption(new Option('--split <split>', 'Photos to caption.').choices(['train', 'dev', 'test']).default('test'))
    .option('--beam <widths>', 'Widths of the beam, with commas between; 1 is greedy search.', beamWidths, [3])
    .option('-o, --out <folder>', 'Write predictions.json, metrics.json, config.json and log.jsonl there.')
    .option('--json', 'Print the scores as JSON.');
  const config = addConfigOptions(command, { search: SearchConfig.omit({ beam: true, n: true }) });

  return command.action(
    runCommand(async ({ options, progress, signal }) => {
      const { checkpoint: given, data, features: folder, split, beam, out, json } = options as EvaluateOptions;
      const { search } = config.read();
      const found = findCheckpoint(given);
      const checkpoint = loadCheckpoint(found);
      const manifest = splitPhotos(await openDataset(data));
      const features = openFeatures(folder);
      const request = { checkpoint, manifest, features, split, beams: beam, search, progress, signal };
      const evaluations = await evaluateCaptioner(request);
      features.close();
      const report = {
        split,
        photos: evaluations[0].predictions.length,
        beams: Object.fromEntries(
          evaluations.map(({ beam: width, scores, distinct, words }) => [width, { ...scores, distinct, words }]),
        ),
      };
      if (out !== undefined) {
        await writeResults(out, evaluations, report, { ...checkpoint.config, evaluation: { data, split, search } });
        const history = path.join(found, 'history.jsonl');
        if (existsSync(history)) await copyFile(history, path.join(out, 'log.jsonl'));
      }
      console.log(json ? JSON.stringify(report) : table(report.photos, split, evaluations));
    }),
  );
}

function beamWidths(text: string): number[] {
  const widths = text.split(',').map(Number);
  if (widths.every((width) => Number.isInteger(width) && width >= 1)) return widths;
  throw new InvalidArgumentError('Expected whole numbers from 1 on, with commas between.');
}

/** predictions.json is that of beam 3, or of the first beam; with several beams each has a file of its own, too. */
async function writeResults(out: string, evaluations: readonly Evaluation[], metrics: object, config: object) {
  await mkdir(out, { recursive: true });
  const write = (name: string, value: unknown) =>
    writeFile(path.join(out, name), `${JSON.stringify(value, null, 1)}\n`);
  const main = evaluations.find(({ beam }) => beam === 3) ?? evaluations[0];
  await write('predictions.json', main.predictions);
  if (evaluations.length > 1) {
    for (const { beam, predictions } of evaluations) await write(`predictions-beam${beam}.json`, predictions);
  }
  await write('metrics.json', metrics);
  await write('config.json', config);
}

/** Scores times 100, as they are usually reported: a row a beam. */
function table(photos: number, split: Split, evaluations: readonly Evaluation[]): string {
  const names = Object.keys(evaluations[0].scores) as (keyof Evaluation['scores'])[];
  const head = ['beam', ...names, 'distinct', 'words'];
  const rows = evaluations.map(({ beam, scores, distinct, words }) => [
    `${beam}`,
    ...names.map((name) => (100 * scores[name]).toFixed(2)),
    `${distinct}`,
    words.toFixed(1),
  ]);
  const line = (cells: readonly string[]) => cells.map((cell) => cell.padStart(9)).join('');
  return [`${photos} ${split} photos, scores x 100`, ...[head, ...rows].map(line)].join('\n');
}
