import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { Option, type Command } from 'commander';
import {
  CaptionerError,
  findCheckpoint,
  loadCheckpoint,
  modelCard,
  ownEncoder,
  saveCheckpoint,
  type TestReport,
} from '../lib/index.js';
import { defineCommand } from './options.js';
import { runCommand } from './run.js';

interface ExportOptions {
  checkpoint: string;
  out: string;
  precision: 'fp32' | 'fp16';
  results?: string;
}

/** `captioner export`: a training run in, a small checkpoint to pass on out. */
export function exportCommand(): Command {
  return defineCommand('export', 'Writes a trained captioner as a small checkpoint to pass on, with its card.', [
    [
      'captioner export --checkpoint runs/first --out checkpoints/mine',
      'half the size, the same captions but for ties',
    ],
    ['captioner export --checkpoint runs/first --results results/first --out checkpoints/mine', 'scores on its card'],
  ])
    .requiredOption('--checkpoint <folder>', 'Trained captioner or training run.')
    .requiredOption('-o, --out <folder>', 'Folder for the checkpoint; one that is there is replaced.')
    .addOption(
      new Option('--precision <precision>', 'How weights are stored.').choices(['fp32', 'fp16']).default('fp16'),
    )
    .option('--results <folder>', 'What captioner evaluate wrote, for the card.')
    .action(
      runCommand(async ({ options }) => {
        const { checkpoint: given, out, precision, results } = options as unknown as ExportOptions;
        const found = findCheckpoint(given);
        const checkpoint = loadCheckpoint(found);
        // That of the whole run, where there is one, goes on past the best epoch.
        const history = [given, found]
          .map((place) => path.join(place, 'history.jsonl'))
          .find((file) => existsSync(file));
        const encoder = ownEncoder(found);
        saveCheckpoint(out, checkpoint, {
          precision,
          ...(encoder !== undefined && { encoder: readFileSync(encoder) }),
          card: modelCard(checkpoint.config, results === undefined ? undefined : readReport(results)),
          ...(history !== undefined && { history: readFileSync(history) }),
        });
        console.log(`${out} holds the checkpoint ${found} in ${precision}.`);
        return Promise.resolve();
      }),
    );
}

function readReport(folder: string): TestReport {
  const file = path.join(folder, 'metrics.json');
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as TestReport;
  } catch (cause) {
    throw new CaptionerError(
      'bad-input',
      `${file} can't be read: ${(cause as Error).message}. See 'captioner evaluate --out'.`,
      {
        cause,
      },
    );
  }
}
