import { Option, type Command } from 'commander';
import {
  CaptionerError,
  exportCheckpoint,
  findPhotos,
  readTestReport,
  readText,
  type Int8Calibration,
  type QuantizedEncoder,
  type Storage,
} from '../../lib/index.js';
import { addFormerFlag, defineCommand, wholeNumber } from '../options.js';
import { runCommand, type Run } from '../run.js';

interface ExportOptions {
  checkpoint: string;
  out: string;
  storage: Storage;
  /** The former name of `storage`. */
  precision?: 'fp32' | 'fp16';
  maxWords?: number;
  encoder?: string;
  encoderBase?: string;
  encoderPrecision: 'fp32' | 'int8';
  calibrate?: string[];
  calibrationPhotos: number;
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
        'captioner export --checkpoint runs/first --encoder-precision int8 --calibrate photos/ --out checkpoints/mine',
        'with the encoder in 8 bits too, for captioner caption --precision int8',
      ],
      [
        'captioner export --checkpoint runs/own --encoder runs/encoder/best/encoder.onnx --out checkpoints/own',
        'include the encoder, for use offline',
      ],
      [
        'captioner export --checkpoint runs/tuned --encoder-base mobilenetv2 --out checkpoints/tuned',
        'only the layers that captioner finetune trained',
      ],
    ],
  )
    .requiredOption('--checkpoint <folder>', 'Checkpoint or training run.')
    .requiredOption('-o, --out <folder>', 'Folder for the checkpoint. An existing one is replaced.')
    .addOption(
      new Option('--storage <format>', 'Number format of the weights. int8 is the smallest, for browsers.')
        .choices(['fp32', 'fp16', 'int8'])
        .default('fp16'),
    )
    .option('--max-words <n>', 'Size of the vocabulary to keep: the most frequent words. (default: all)', wholeNumber)
    .option('--encoder <file>', 'ONNX file of the encoder to include. (default: the one in the checkpoint, if any)')
    .option(
      '--encoder-base <name>',
      'Registered encoder that the encoder was fine-tuned from. Includes the fine-tuned layers only; captioning downloads the rest.',
    )
    .addOption(
      new Option(
        '--encoder-precision <precision>',
        'With int8, add the encoder in 8 bits, about three times as fast. Needs --calibrate.',
      )
        .choices(['fp32', 'int8'])
        .default('fp32'),
    )
    .option(
      '--calibrate <photos...>',
      'Photos that show the encoder in 8 bits which values to expect: files, folders or globs. About 200 like those to caption.',
    )
    .option('--calibration-photos <n>', 'Maximum number of these to use, at equal distances.', wholeNumber, 200)
    .option('--results <folder>', 'Results folder from captioner evaluate, for the card.')
    .option('--about <file>', 'Markdown file with more information for the card.')
    .action(
      runCommand(async (run) => {
        const options = run.options as unknown as ExportOptions;
        const { checkpoint, out, encoder, encoderBase, maxWords, results, about, ...formats } = options;
        const int8 = await calibrationOf(options, run);
        const storage = formats.precision ?? formats.storage;
        const found = await exportCheckpoint(checkpoint, out, {
          storage,
          encoder,
          int8,
          ...(encoderBase !== undefined && { encoderBase }),
          ...(maxWords !== undefined && { maxWords }),
          warn: (message) => {
            run.warn(`captioner: ${message}`);
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

/** The calibration of an encoder in 8 bits, if one is wanted. */
async function calibrationOf(
  { encoderPrecision, calibrate, calibrationPhotos: most }: ExportOptions,
  { progress, signal }: Run,
): Promise<Int8Calibration | undefined> {
  if ((encoderPrecision === 'int8') !== (calibrate !== undefined)) {
    throw new CaptionerError(
      'bad-option',
      '--encoder-precision int8 and --calibrate belong together: name about 200 photos like those to caption.',
    );
  }
  if (calibrate === undefined) return undefined;
  const onConverted = ({ photos, bytes, similarity }: QuantizedEncoder) => {
    const size = `${(bytes.length / 1e6).toFixed(1)} MB`;
    console.log(
      `The encoder in 8 bits: ${size}, calibrated on ${photos} photos; cosine to its features in fp32 ${similarity.toFixed(4)}.`,
    );
  };
  return { photos: await findPhotos(calibrate), most: Math.max(1, most), progress, signal, onConverted };
}
