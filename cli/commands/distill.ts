import type { Command } from 'commander';
import { ConvNetConfig, DistillationConfig, Encoder, normalisationOf } from '../../lib/index.js';
import type { EpochRecord } from '../../lib/training.js';
import { openGiven } from '../dataset.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { duration } from '../progress.js';
import { runCommand } from '../run.js';

interface DistillOptions {
  data: string[];
  encoding?: string;
  out: string;
  name: string;
  from?: string;
  resume?: true;
  json?: true;
}

/** `captioner distill`: trains a compact encoder from photos and a pretrained one. */
export function distillCommand(): Command {
  const command = defineCommand(
    'distill',
    `Train a compact encoder to reproduce a pretrained encoder's features. Needs photos only, no captions or labels.

From data sets with splits it learns from the training photos and measures on the dev photos. From folders it learns from all photos. The run's folder gets \`best/encoder.onnx\` (the --encoder for captioner extract), \`last\` (to resume from), \`history.jsonl\`, and the teacher's features. Ctrl-C saves and stops; --resume continues, also after a crash.`,
    [
      ['captioner distill --data flickr8k --out runs/encoder', "learn from Flickr8k's photos"],
      [
        'captioner distill --data flickr8k photos/ --out runs/encoder --epochs 80',
        'learn from a folder of photos, too',
      ],
      ['captioner extract --data flickr8k --encoder runs/encoder/best/encoder.onnx --features features/own', 'use it'],
    ],
  )
    .requiredOption('--data <data...>', 'Data sets or folders of photos.')
    .option('--encoding <name>', 'Encoding of the lists, such as windows-1252. (default: utf-8)')
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--name <name>', 'Name of the encoder in its file and in features.', 'convnet')
    .option(
      '--from <run or file>',
      "Start from another run's encoder, or from its encoder.onnx. Suits larger photos, more blocks or more epochs.",
    )
    .option('--resume', 'Resume the run in --out with its hyperparameters, or start it if there is none.')
    .option('--json', 'Print the encoder file and its scores as JSON.');
  const config = addConfigOptions(command, { network: ConvNetConfig, training: DistillationConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const { data, encoding, out, name, from, resume, json } = options as DistillOptions;
      const { training } = config.read();
      const given = config.given();
      const manifests = await Promise.all(data.map((each) => openGiven({ data: each, encoding }, warn)));
      const { teacherMean: mean, teacherStd: std, teacherScale: scale } = training;
      const teacher = await Encoder.load(training.teacher, {
        ...{ progress, signal },
        normalisation: normalisationOf({ mean, std, scale }),
      });
      const { distill } = await import('../../lib/training.js');
      let rows = 0;
      const { encoder, state } = await distill({
        manifests,
        teacher,
        out,
        name,
        from,
        network: given.network,
        training: given.training,
        resume: resume ?? false,
        progress,
        signal,
        warn: (line) => {
          warn(`captioner: ${line}`);
        },
        onEpoch: (record) => {
          if (rows++ === 0) warn(tableHead);
          warn(tableRow(record));
        },
      });
      const { epoch, step, seconds, bestEpoch, bestScores } = state;
      console.log(
        json
          ? JSON.stringify({ encoder, epochs: epoch, steps: step, seconds, bestEpoch, scores: bestScores })
          : `${encoder}: best of ${epoch} epochs is number ${bestEpoch}, cosine similarity to the teacher ${bestScores.cosine.toFixed(3)} ` +
              `(${duration(seconds)}).`,
      );
    }),
  );
}

const columns: readonly [title: string, value: (record: EpochRecord) => string][] = [
  ['epoch', ({ epoch }) => `${epoch}`],
  ['loss', ({ loss }) => loss.toFixed(3)],
  ['cosine', ({ scores }) => scores.cosine.toFixed(4)],
  ['explained', ({ scores }) => scores.explained.toFixed(4)],
  ['time', ({ seconds }) => duration(seconds)],
];

const tableHead = columns.map(([title]) => title.padStart(9)).join('  ');

/**
 * The loss of an epoch and the similarity to the teacher on the dev photos. A star marks the best
 * so far.
 */
const tableRow = (record: EpochRecord) =>
  columns.map(([, value]) => value(record).padStart(9)).join('  ') + (record.best ? ' *' : '');
