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

/** `captioner compare`: compares two runs by their captions of the same photos. */
export function compareCommand(): Command {
  return defineCommand(
    'compare',
    `Compare two runs on the same photos: is one better, or was it luck?

Prints the difference of each score with its 95 % interval, p-values by paired bootstrap (Koehn 2004) and approximate randomisation, and the photos that differ most. A small p-value means that other photos of the same kind would probably show the same difference; another training seed may not.

<a> and <b> are folders that captioner evaluate wrote, or JSON files of predictions, [{"image_id": …, "caption": "…"}].`,
    [
      ['captioner compare results/first results/second', 'compare two results folders'],
      [
        'captioner compare results/first/predictions-beam1.json results/first --data flickr8k',
        'score predictions against a data set',
      ],
      ['captioner compare a.json b.json --references captions_val2017.json --json', 'for programs'],
    ],
  )
    .argument('<a>', 'Results folder or file of predictions.')
    .argument('<b>', 'Results folder or file of predictions to compare with.')
    .option('--data <data>', 'Data set with the references. Scores both runs again.')
    .option('-r, --references <file>', 'JSON file with the references, in the format of captioner score.')
    .option('--only-common', 'Leave out photos that only one of them has, instead of failing.')
    .option('--resamples <n>', 'Resamples for intervals and p-values.', wholeNumber, 1000)
    .option('--show <n>', 'Photos to show where <b> is better, and as many where it is worse.', wholeNumber, 3)
    .option('--json', 'Print the comparison as JSON, with scores as fractions.')
    .action(
      runCommand(async ({ options, warn }, a: string, b: string) => {
        const { data, references, onlyCommon, resamples, show, json } = options as CompareOptions;
        if (resamples < 1) throw new CaptionerError('bad-option', '--resamples must be at least 1.');
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
    throw new CaptionerError('bad-option', 'References come from --data or --references. Give only one of them.');
  }
  if (data !== undefined) {
    return new Map((await openGiven({ data }, warn)).photos.map(({ id, captions }) => [id, captions]));
  }
  return readReferences(readJson(file!));
}

/** Scores times 100, as usually reported. */
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
    ...(left > 0 ? [`left out: ${leftOut.a} photos only in a, ${leftOut.b} only in b`] : []),
    ...[head, ...rows].map(line),
  ].join('\n');
}

interface MostDiffering {
  readonly worse: readonly PhotoDifference[];
  readonly better: readonly PhotoDifference[];
}

/** The photos where b is worst and best relative to a, each sorted by the size of the difference. */
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
