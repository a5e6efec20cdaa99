import type { Command } from 'commander';
import {
  CaptionerError,
  compareResults,
  readJson,
  readReferences,
  readResults,
  scoreNames,
  type PhotoDifference,
  type ResultComparison,
} from '../../lib/index.js';
import { openGiven } from '../dataset.js';
import { defineCommand, wholeNumber } from '../options.js';
import { runCommand } from '../run.js';

interface CompareOptions {
  data?: string;
  references?: string;
  onlyCommon?: true;
  resamples: number;
  show: number;
  json?: true;
}

/** `captioner compare`: two runs' captions of the same photos in, what differs and how surely out. */
export function compareCommand(): Command {
  return defineCommand(
    'compare',
    `Compares two runs on the same photos: is one better, or was it luck?

Each score's difference with its 95 % interval and p by paired bootstrap (Koehn 2004), p by approximate randomisation, and the photos that differ most. A small p says that other photos of the same kind would likely show the same; another seed of training may not.

<a> and <b> are folders that captioner evaluate wrote, or JSON files of predictions, [{"image_id": …, "caption": "…"}].`,
    [
      ['captioner compare results/first results/second', 'what evaluate --out wrote'],
      [
        'captioner compare results/first/predictions-beam1.json results/first --data flickr8k',
        'other files of predictions need the references',
      ],
      ['captioner compare a.json b.json --references captions_val2017.json --json', 'for programs'],
    ],
  )
    .argument('<a>', 'Folder of results, or file of predictions.')
    .argument('<b>', 'What it is compared with.')
    .option('--data <data>', 'Data set that has the references; then both are scored anew.')
    .option('-r, --references <file>', 'JSON file of the references, as of captioner score.')
    .option('--only-common', 'Leave out photos that only one of them has; else they are an error.')
    .option('--resamples <n>', 'Samples for intervals and p.', wholeNumber, 1000)
    .option('--show <n>', 'Photos to show of those where <b> is better, and as many where it is worse.', wholeNumber, 3)
    .option('--json', 'Print the comparison as JSON, scores as fractions.')
    .action(
      runCommand(async ({ options, warn }, a: string, b: string) => {
        const { data, references, onlyCommon, resamples, show, json } = options as CompareOptions;
        if (resamples < 1) throw new CaptionerError('bad-option', '--resamples must be 1 or more.');
        const comparison = compareResults(readResults(a), readResults(b), {
          ...((data !== undefined || references !== undefined) && {
            references: await readGiven(warn, data, references),
          }),
          onlyCommon,
          resamples,
        });
        const most = mostDiffering(comparison.photos, show);
        const { photos, ...rest } = comparison;
        console.log(
          json
            ? JSON.stringify({ ...rest, photos: photos.length, ...most })
            : [table(comparison), ...shown(most)].join('\n'),
        );
      }),
    );
}

async function readGiven(
  warn: (line: string) => void,
  data?: string,
  file?: string,
): Promise<Map<string, readonly string[]>> {
  if (data !== undefined && file !== undefined) {
    throw new CaptionerError('bad-option', 'The references come from --data or from --references, not from both.');
  }
  if (data !== undefined) {
    return new Map((await openGiven({ data }, warn)).photos.map(({ id, captions }) => [id, captions]));
  }
  return readReferences(readJson(file!));
}

/** Scores times 100, as they are usually reported. */
function table({ a, b, split, photos, scores, leftOut }: ResultComparison): string {
  const head = ['', 'a', 'b', 'b - a', '95 % interval', 'p (bootstrap)', 'p (randomisation)'];
  const rows = scoreNames.map((name) => {
    const { interval, difference, bootstrap, randomisation, ...values } = scores[name];
    return [
      name,
      hundred(values.a),
      hundred(values.b),
      signed(difference),
      `${signed(interval.low)} to ${signed(interval.high)}`,
      bootstrap.toFixed(3),
      randomisation.toFixed(3),
    ];
  });
  const widths = [8, 8, 8, 9, 18, 15, 19];
  const line = (cells: readonly string[]) =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('');
  const left = leftOut.a + leftOut.b;
  return [
    `a: ${a}`,
    `b: ${b}`,
    `${photos.length} ${split ?? ''} photos, scores x 100`.replace('  ', ' '),
    ...(left > 0 ? [`left out: ${leftOut.a} photos that only a has, ${leftOut.b} that only b has`] : []),
    ...[head, ...rows].map(line),
  ].join('\n');
}

interface MostDiffering {
  readonly worse: readonly PhotoDifference[];
  readonly better: readonly PhotoDifference[];
}

/** The photos where b is worst beside a, and where it is best, each from the greatest difference on. */
function mostDiffering(photos: readonly PhotoDifference[], show: number): MostDiffering {
  return {
    worse: photos.slice(0, show).filter(({ difference }) => difference < 0),
    better: photos.slice(Math.max(0, photos.length - show)).filter(({ difference }) => difference > 0).reverse(), // prettier-ignore
  };
}

function shown({ worse, better }: MostDiffering): string[] {
  const lines = (title: string, photos: readonly PhotoDifference[]) =>
    photos.length === 0
      ? []
      : [
          '',
          title,
          ...photos.flatMap(({ image_id, a, b, difference }) => [
            `  ${image_id}: CIDEr ${signed(difference)}`,
            `    a ${hundred(a.CIDEr).padStart(6)}  ${a.caption}`,
            `    b ${hundred(b.CIDEr).padStart(6)}  ${b.caption}`,
          ]),
        ];
  return [...lines('Where b gains most', better), ...lines('Where b loses most', worse)];
}

function hundred(score: number): string {
  return (100 * score).toFixed(1);
}

function signed(difference: number): string {
  return `${difference < 0 ? '-' : '+'}${Math.abs(100 * difference).toFixed(1)}`;
}
