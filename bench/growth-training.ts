import { Peer } from './peer.js';
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

/** Approximate duration of one round's training steps on each side. */
const secondsPerRound = 0.5;

/** Words per second of a training step with more words, hidden units and captions, compared with PyTorch on the same CPU. */
export async function measureTraining(): Promise<object[]> {
  const measured = [];
  for (const grown of trainingSizes) measured.push(await measureSizes({ ...baseSizes, ...grown }));
  return measured;
}

/** A training step of these sizes, each side in its own process. */
async function measureSizes(sizes: StepSizes): Promise<object> {
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
