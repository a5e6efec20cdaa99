import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { FeatureWriter } from '../lib/data/features/writer.js';
import { Encoder } from '../lib/model/encoder/encoder.js';
import { Peer } from './peer.js';
import { benchPhotos, photoFeatures } from './photos.js';
import { root, runProgram } from './program.js';
import { alternate, median, ratioToBest } from './rounds.js';
import { baseSizes, sizeFlags, type StepSizes } from './training-step.js';

/** Sizes that grow one at a time from those of the `train` benchmark. */
const trainingSizes: readonly Partial<StepSizes>[] = [
  {},
  { vocabulary: 10_000 },
  { vocabulary: 30_000 },
  { hidden: 256 },
  { hidden: 1024 },
  { batch: 256 },
];
const photoCounts = { extract: [50, 200, 800], caption: [100, 1_000, 10_000] };

const encoderFile = path.join(root, 'checkpoints', 'default', 'encoder.onnx');

/** Approximate duration of one round's training steps on each side. */
const secondsPerRound = 0.5;

/**
 * Growth of costs: a training step with vocabulary, hidden units and batch, compared with PyTorch
 * on the same CPU; `captioner extract` and `captioner caption` with the number of photos.
 */
export async function benchGrowth(): Promise<object> {
  const folder = mkdtempSync(path.join(tmpdir(), 'captioner-bench-'));
  try {
    const extraction = [];
    for (const count of photoCounts.extract) extraction.push(await measureExtraction(count, folder));
    const captioning = [];
    for (const count of photoCounts.caption) captioning.push(await measureCaptioning(count, folder));
    const training = [];
    for (const grown of trainingSizes) training.push(await measureTraining({ ...baseSizes, ...grown }));
    return {
      what: 'growth of a training step in words per second; of captioner extract (default encoder) and captioner caption --features in seconds from call to exit',
      training,
      extraction,
      captioning,
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A training step of these sizes, each side in its own process. */
async function measureTraining(sizes: StepSizes): Promise<object> {
  const flags = sizeFlags(sizes);
  const ours = await Peer.start('train-step.ts', flags);
  if (typeof ours === 'string') throw new Error(ours);
  const peers = { captioner: ours, ...(await Peer.startPyTorch('torch_train.py', flags)) };
  const memory: Record<string, number> = {};
  const contestants: Record<string, () => Promise<number>> = {};
  for (const [name, peer] of Object.entries(peers)) {
    let steps = 1;
    contestants[name] = async () => {
      const { seconds, maxRssMb } = await peer.ask<{ seconds: number; maxRssMb: number }>({ steps });
      memory[name] = Math.round(maxRssMb);
      const rate = (steps * sizes.batch * sizes.length) / seconds;
      steps = Math.min(50, Math.max(1, Math.ceil((secondsPerRound * steps) / seconds)));
      return rate;
    };
  }
  const { captioner, ...others } = await alternate(contestants, { rounds: 5, warmup: 2 });
  for (const peer of Object.values(peers)) peer.stop();
  const { vocabulary, hidden, batch } = sizes;
  return {
    ...{ vocabulary, hidden, batch },
    wordsPerSecond: Object.fromEntries(
      Object.entries({ captioner, ...others }).map(([name, rates]) => [name, Math.round(median(rates))]),
    ),
    ratio: ratioToBest(captioner, others),
    peakMemoryMB: memory,
  };
}

/** `captioner extract` on `count` photos. */
async function measureExtraction(count: number, folder: string): Promise<object> {
  const photos = path.join(folder, `photos-${count}`);
  mkdirSync(photos);
  const files = benchPhotos();
  for (let i = 0; i < count; i++) copyFileSync(files[i % files.length], path.join(photos, `${i}.jpg`));
  const features = path.join(folder, `extracted-${count}`);
  const run = await runProgram(['extract', '--data', photos, '--features', features, '--encoder', encoderFile]);
  rmSync(photos, { recursive: true });
  return { photos: count, seconds: Number(run.seconds.toFixed(2)), peakMemoryMB: Math.round(run.megabytes) };
}

/** `captioner caption --features` on `count` rows, which repeat those of 64 photos. */
async function measureCaptioning(count: number, folder: string): Promise<object> {
  const different = 64;
  const encoder = await Encoder.load(encoderFile);
  const rows = await photoFeatures(encoder, different);
  await encoder.release();
  const features = path.join(folder, `features-${count}`);
  const writer = FeatureWriter.open(features, encoder.identity, 'fp32');
  for (let first = 0; first < count; first += different) {
    const ids = Array.from({ length: Math.min(different, count - first) }, (_, i) => String(first + i));
    writer.append(ids, rows.subarray(0, ids.length * encoder.dimension));
  }
  writer.close(true);
  const out = path.join(folder, `captions-${count}.jsonl`);
  const run = await runProgram(['caption', '--features', features, '--out', out]);
  return { photos: count, seconds: Number(run.seconds.toFixed(2)), peakMemoryMB: Math.round(run.megabytes) };
}
