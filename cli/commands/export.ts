import { Option, type Command } from 'commander';
import { exportCheckpoint, readTestReport, readText } from '../../lib/index.js';
import { addFormerFlag, defineCommand } from '../options.js';
import { runCommand } from '../run.js';

interface ExportOptions {
  checkpoint: string;
  out: string;
  storage: 'fp32' | 'fp16';
  /** The former name of `storage`. */
  precision?: 'fp32' | 'fp16';
  encoder?: string;
  results?: string;
  about?: string;
}

/** `captioner export`: a training run in, a small checkpoint to pass on out. */
export function exportCommand(): Command {
  const command = defineCommand(
    'export',
    'Writes a trained captioner as a small checkpoint to pass on, with its card.',
    [
      [
        'captioner export --checkpoint runs/first --out checkpoints/mine',
        'half the size, the same captions but for ties',
      ],
      ['captioner export --checkpoint runs/first --results results/first --out checkpoints/mine', 'scores on its card'],
      [
        'captioner export --checkpoint runs/own --encoder runs/encoder/best/encoder.onnx --out checkpoints/own',
        'with its encoder: captions offline',
      ],
    ],
  )
    .requiredOption('--checkpoint <folder>', 'Trained captioner or training run.')
    .requiredOption('-o, --out <folder>', 'Folder for the checkpoint; one that is there is replaced.')
    .addOption(
      new Option('--storage <format>', 'Number format of the weights.').choices(['fp32', 'fp16']).default('fp16'),
    )
    .option('--encoder <file>', 'ONNX file of its encoder, to take along. (default: that of a fine-tuned checkpoint)')
    .option('--results <folder>', 'What captioner evaluate wrote, for the card.')
    .option('--about <file>', 'What else its users should know, for the card: a Markdown file.')
    .action(
      runCommand(async ({ options }) => {
        const { checkpoint, out, encoder, results, about, ...formats } = options as unknown as ExportOptions;
        const storage = formats.precision ?? formats.storage;
        const found = await exportCheckpoint(checkpoint, out, {
          storage,
          encoder,
          ...(results !== undefined && { report: readTestReport(results) }),
          ...(about !== undefined && { about: readText(about) }),
        });
        console.log(`${out} holds the checkpoint ${found} in ${storage}.`);
      }),
    );
  addFormerFlag(command, new Option('--precision <format>').choices(['fp32', 'fp16']), 'storage');
  return command;
}
