import type { Command } from 'commander';
import { ConvNetConfig, DistillationConfig, Encoder } from '../../lib/index.js';
import type { EpochRecord } from '../../lib/training.js';
import { openGiven } from '../dataset.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { duration } from '../progress.js';
import { runCommand } from '../run.js';

interface DistillOptions {
  data: string[];
  out: string;
  name: string;
  from?: string;
  resume?: true;
  json?: true;
}

/** `captioner distill`: photos and a pretrained encoder in, a smaller encoder out. */
export function distillCommand(): Command {
  const command = defineCommand(
    'distill',
    `Trains a compact encoder to see as a pretrained one does, from photos without captions or labels.

Of data sets with splits, the train photos are learned from and the dev photos measured by; folders of photos are learned from as a whole. The folder of the run gets \`best/encoder.onnx\`, which captioner extract takes as its --encoder, \`last\` (to resume from), \`history.jsonl\`, and the teacher's features. Ctrl-C saves and stops; --resume goes on, also after a crash.`,
    [
      ['captioner distill --data flickr8k --out runs/encoder', 'learn from the photos of Flickr8k'],
      ['captioner distill --data flickr8k photos/ --out runs/encoder --epochs 80', 'and from a folder of others'],
      ['captioner extract --data flickr8k --encoder runs/encoder/best/encoder.onnx --features features/own', 'use it'],
    ],
  )
    .requiredOption('--data <data...>', 'Data sets or folders of photos.')
    .requiredOption('-o, --out <folder>', 'Folder of the run.')
    .option('--name <name>', 'What features will say they come from.', 'convnet')
    .option(
      '--from <run or file>',
      'Begin with the network of another run, or of the encoder.onnx that was made of it: for larger photos, more blocks, more epochs.',
    )
    .option('--resume', 'Go on with the run in --out where it stopped, with the hyperparameters it has; or start it.')
    .option('--json', 'Print where the encoder is and how good, as JSON.');
  const config = addConfigOptions(command, { network: ConvNetConfig, training: DistillationConfig });

  return command.action(
    runCommand(async ({ options, progress, signal, warn }) => {
      const { data, out, name, from, resume, json } = options as DistillOptions;
      const { training } = config.read();
      const given = config.given();
      const manifests = await Promise.all(data.map((each) => openGiven({ data: each }, warn)));
      const teacher = await Encoder.load(training.teacher, { progress, signal });
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
          : `${encoder}: the best of ${epoch} epochs is number ${bestEpoch}, cosine to its teacher ${bestScores.cosine.toFixed(3)} ` +
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

/** An epoch's loss and how like the teacher the encoder is on the dev photos; the best so far has a star. */
const tableRow = (record: EpochRecord) =>
  columns.map(([, value]) => value(record).padStart(9)).join('  ') + (record.best ? ' *' : '');
