import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FeatureWriter } from '../lib/data/features/writer.js';
import { Encoder } from '../lib/model/encoder/encoder.js';
import { Random } from '../lib/random.js';
import { measureTraining } from './growth-training.js';
import { linkedPhotos, photoFeatures } from './photos.js';
import { root, runProgram } from './program.js';

const checkpoint = path.join(root, 'checkpoints', 'default');
const encoderFile = path.join(checkpoint, 'encoder.onnx');
const precision = ['--precision', 'int8'];

/** Decoding 100,000 photo files would take an hour on slow machines. */
const fileCounts = [1_000, 10_000, 30_000];
const rowCounts = [1_000, 10_000, 100_000];

/** A command whose cost may grow with the number of photos. */
interface Growth {
  readonly what: string;
  readonly counts: readonly number[];
  /** Prepares `count` photos in a folder. @returns the command line. */
  readonly prepare: (count: number, folder: string) => Promise<string[]>;
}

/** The parts: `npm run bench -- growth:extract` runs one of them. */
const growths: Readonly<Record<string, Growth>> = {
  extract: {
    what: 'captioner extract, photo files',
    counts: fileCounts,
    prepare: (count, folder) => {
      const photos = path.join(folder, 'photos');
      linkedPhotos(count, photos);
      const features = path.join(folder, 'features');
      return Promise.resolve(['extract', '--data', photos, '--features', features, '--encoder', encoderFile]);
    },
  },
  'caption-files': {
    what: 'captioner caption, photo files',
    counts: fileCounts,
    prepare: (count, folder) => {
      const photos = path.join(folder, 'photos');
      linkedPhotos(count, photos);
      return Promise.resolve([
        'caption',
        photos,
        '--checkpoint',
        checkpoint,
        '--out',
        path.join(folder, 'captions.jsonl'),
      ]);
    },
  },
  'caption-features': {
    what: 'captioner caption, features',
    counts: rowCounts,
    prepare: async (count, folder) => {
      const features = path.join(folder, 'features');
      const ids = Array.from({ length: count }, (_, i) => String(i));
      await writeFeatures(features, ids);
      return [
        'caption',
        '--checkpoint',
        checkpoint,
        '--features',
        features,
        '--out',
        path.join(folder, 'captions.jsonl'),
      ];
    },
  },
  evaluate: {
    what: 'captioner evaluate, features, five references for each photo',
    counts: rowCounts,
    prepare: async (count, folder) => {
      linkedPhotos(count, path.join(folder, 'photos'));
      const random = new Random(1);
      const ids = Array.from({ length: count }, (_, i) => `${i}.jpg`);
      const lines = ids.map((file) => {
        const captions = Array.from({ length: 5 }, () => drawSentence(random));
        return JSON.stringify({ file, captions, split: 'test' });
      });
      const list = path.join(folder, 'photos', 'list.jsonl');
      writeFileSync(list, lines.join('\n'));
      const features = path.join(folder, 'features');
      await writeFeatures(features, ids);
      return ['evaluate', '--checkpoint', checkpoint, '--data', list, '--features', features];
    },
  },
};

/**
 * Growth of costs: seconds and peak memory of commands with the number of photos, from call to exit, with the default model in 8 bits; and a
 * training step with more words, hidden units and captions. CAPTIONER_BENCH_MOST limits the number of photos.
 */
export const growthBenchmarks: Readonly<Record<string, () => Promise<object>>> = {
  ...Object.fromEntries(Object.entries(growths).map(([name, growth]) => [`growth:${name}`, () => measure(growth)])),
  'growth:training': async () => ({
    what: 'words per second of a training step',
    training: await measureTraining(),
  }),
};

async function measure({ what, counts, prepare }: Growth): Promise<object> {
  const most = Number(process.env.CAPTIONER_BENCH_MOST ?? Infinity);
  const runs = [];
  for (const count of counts.filter((count) => count <= most)) {
    const folder = mkdtempSync(path.join(tmpdir(), 'captioner-bench-'));
    try {
      const { seconds, megabytes } = await runProgram([...(await prepare(count, folder)), ...precision]);
      runs.push({
        photos: count,
        seconds: Number(seconds.toFixed(2)),
        millisecondsPerPhoto: Number(((1000 * seconds) / count).toFixed(2)),
        peakMemoryMB: Math.round(megabytes),
      });
      console.log(JSON.stringify(runs.at(-1)));
    } finally {
      rmSync(folder, { recursive: true });
    }
  }
  return { what: `${what}: seconds from call to exit, default model in 8 bits`, runs };
}

/** Writes a feature store whose rows repeat the features of 64 photos. */
async function writeFeatures(folder: string, ids: readonly string[]): Promise<void> {
  const different = 64;
  const encoder = await Encoder.load(encoderFile);
  const rows = await photoFeatures(encoder, different);
  await encoder.release();
  const writer = FeatureWriter.open(folder, encoder.identity, 'fp16');
  for (let first = 0; first < ids.length; first += different) {
    const some = ids.slice(first, first + different);
    writer.append(some, rows.subarray(0, some.length * encoder.dimension));
  }
  writer.close(true);
}

const parts = [
  ['a', 'the', 'one', 'some', 'another'],
  ['brown', 'small', 'young', 'happy', 'wet', 'old', 'large', 'white', 'black', 'quiet'],
  ['dog', 'man', 'woman', 'child', 'cat', 'horse', 'bird', 'boy', 'girl', 'player'],
  ['runs', 'sits', 'stands', 'jumps', 'plays', 'sleeps', 'waits', 'walks', 'looks', 'turns'],
  ['in', 'on', 'near', 'behind', 'under', 'over', 'beside', 'across'],
  ['grass', 'water', 'street', 'beach', 'table', 'snow', 'field', 'tree', 'wall', 'car'],
];

/** A sentence like a caption. */
function drawSentence(random: Random): string {
  return parts.map((words) => words[random.integer(words.length)]).join(' ');
}
