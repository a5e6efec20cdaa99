import { InvalidArgumentError, type Command } from 'commander';
import { openFeatures, splitPhotos } from '../../lib/index.js';
import type { SweepMean, SweepRow } from '../../lib/training.js';
import { openGiven } from '../dataset.js';
import { defineCommand } from '../options.js';
import { duration } from '../progress.js';
import { runCommand } from '../run.js';
import { parseSpace } from '../sweep-space.js';
import { addTrainConfig, addTrainOptions, readTrainConfig, type TrainFlags } from '../train-options.js';

interface SweepOptions extends TrainFlags {
  grid: string[];
  random?: number;
  seeds: number;
  halving: number;
  json?: true;
}

/** `captioner sweep`: trains a captioner for each combination of hyperparameters. */
export function sweepCommand(): Command {
  const command = addTrainOptions(
    defineCommand(
      'sweep',
      `Train a captioner for each combination of hyperparameters, and rank them.

Each run has a folder in --out. Ctrl-C saves and stops; the same command continues, and one with more values or seeds extends the sweep. Runs are ranked by the measure of --choose-by on the dev photos. \`captioner runs\` draws their curves meanwhile.`,
      [
        [
          'captioner sweep --data flickr8k --features features/flickr8k --out sweeps/first --grid learning-rate=0.001,0.002 hidden-size=256,512',
          'four runs',
        ],
        [
          'captioner sweep --data my.csv --features features/my --out sweeps/my --grid learning-rate=log:0.0001..0.01 cell=lstm,gru --random 20 --halving 3',
          '20 at random; at each rung, a third continues',
        ],
      ],
    ),
    'Folder of the sweep.',
  )
    .requiredOption(
      '--grid <name=values...>',
      'Values to try, by hyperparameter: any of the training, decoder and vocabulary options below. A range, from..to or log:from..to, is for --random.',
    )
    .option('--random <n>', 'Number of combinations to sample at random. (default: all combinations)', positive)
    .option('--seeds <n>', 'Number of seeds to train each combination with: --seed and those after it.', positive, 1)
    .option(
      '--halving <x>',
      'Successive halving: the best 1/x of the combinations continue at each rung of epochs. 1 trains all to the end.',
      factor,
      1,
    )
    .option('--json', 'Print the runs as a JSON list.');
  const config = addTrainConfig(command);

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const chosen = options as SweepOptions;
      const { features: folder, out, from, vocabulary: file, grid, random, seeds, halving, json } = chosen;
      const { decoder, training, vocabulary } = readTrainConfig(config, file);
      const space = parseSpace(grid);
      const manifest = splitPhotos(await openGiven(chosen, warn));
      const features = openFeatures(folder);
      const { sweep, meansOverSeeds } = await import('../../lib/training.js');
      const said = new Set<string>();
      const rows: readonly SweepRow[] = await sweep(
        {
          ...{ manifest, features, out, decoder, training, vocabulary },
          ...(from !== undefined && { from }),
          warn: (line) => {
            // Each run has the same data: once is enough.
            if (!said.has(line)) warn(`captioner: ${line}`);
            said.add(line);
          },
        },
        space,
        {
          ...{ random, seeds, halving, progress, signal },
          onRun: (row) => {
            if (!options.quiet) warn(runLine(row));
          },
        },
      );
      features.close();
      const measure = training.chooseBy ?? 'CIDEr';
      console.log(
        json ? JSON.stringify(rows, null, 2) : table(rows, meansOverSeeds(rows, measure), measure).join('\n'),
      );
    }),
  );
}

/** A run that has just ended, in one line. */
function runLine({ run, status, epoch, bestEpoch, loss, CIDEr, seconds }: SweepRow): string {
  if (status === 'failed') return `${run}: failed, the loss is not finite`;
  const scores = [
    CIDEr === null ? '' : `, CIDEr ${CIDEr.toFixed(3)}`,
    loss === null ? '' : `, dev loss ${loss.toFixed(3)}`,
  ];
  return `${run}: best of ${epoch} epochs is number ${bestEpoch}${scores.join('')} (${duration(seconds)})`;
}

/** The combinations, the best first, with the mean over their seeds, and the best run. */
function table(rows: readonly SweepRow[], means: readonly SweepMean[], measure: string): string[] {
  const names = Object.keys(means[0]).filter((name) => !['runs', 'mean', 'deviation'].includes(name));
  const seeds = Math.max(...means.map(({ runs }) => runs));
  const head = [...names, measure === 'loss' ? 'dev loss' : measure, ...(seeds > 1 ? ['std', 'runs'] : [])];
  const number = (value: number | null) => value?.toFixed(3) ?? '-';
  const body = means.map((mean) => [
    ...names.map((name) => String(mean[name])),
    number(mean.mean),
    ...(seeds > 1 ? [number(mean.deviation), String(mean.runs)] : []),
  ]);
  const widths = head.map((title, i) => Math.max(title.length, ...body.map((cells) => cells[i].length)));
  const line = (cells: readonly string[]) => cells.map((cell, i) => cell.padStart(widths[i])).join('  ');
  const count = (status: SweepRow['status']) => rows.filter((row) => row.status === status).length;
  const others = [
    ...(count('stopped') > 0 ? [`${count('stopped')} stopped early`] : []),
    ...(count('failed') > 0 ? [`${count('failed')} failed`] : []),
  ];
  const ended = `${rows.length} runs${others.length > 0 ? `, ${others.join(', ')}` : ''}. The best: ${rows[0].folder}`;
  return [line(head), ...body.map(line), ended];
}

function positive(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 1) return value;
  throw new InvalidArgumentError('Expected a whole number of at least 1.');
}

function factor(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 1) return value;
  throw new InvalidArgumentError('Expected a number of at least 1.');
}
