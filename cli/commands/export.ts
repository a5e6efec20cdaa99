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

/** `captioner export`: turns a training run into a small checkpoint. */
export function exportCommand(): Command {
  const command = defineCommand(
    'export',
    'Write a trained captioner as a small checkpoint with a model card, ready to share.',
    [
      [
        'captioner export --checkpoint runs/first --out checkpoints/mine',
        'half the size, same captions except for ties',
      ],
      ['captioner export --checkpoint runs/first --results results/first --out checkpoints/mine', 'scores on the card'],
      [
        'captioner export --checkpoint runs/own --encoder runs/encoder/best/encoder.onnx --out checkpoints/own',
        'include the encoder, for use offline',
      ],
    ],
  )
    .requiredOption('--checkpoint <folder>', 'Checkpoint or training run.')
    .requiredOption('-o, --out <folder>', 'Folder for the checkpoint. An existing one is replaced.')
    .addOption(
      new Option('--storage <format>', 'Number format of the weights.').choices(['fp32', 'fp16']).default('fp16'),
    )
    .option('--encoder <file>', 'ONNX file of the encoder to include. (default: the one in the checkpoint, if any)')
    .option('--results <folder>', 'Results folder from captioner evaluate, for the card.')
    .option('--about <file>', 'Markdown file with more information for the card.')
    .action(
      runCommand(async ({ options }) => {
        const { checkpoint, out, encoder, results, about, ...formats } = options as unknown as ExportOptions;
        const storage = formats.precision ?? formats.storage;
        const found = await exportCheckpoint(checkpoint, out, {
          storage,
          encoder,
          warn: (message) => {
            console.warn(`captioner: ${message}`);
          },
          ...(results !== undefined && { report: readTestReport(results) }),
          ...(about !== undefined && { about: readText(about) }),
        });
        console.log(`Wrote ${found} to ${out} in ${storage}.`);
      }),
    );
  addFormerFlag(command, new Option('--precision <format>').choices(['fp32', 'fp16']), 'storage');
  return command;
}
