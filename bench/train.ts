import { useBackend } from '../lib/backend/index.js';
import { Peer } from './peer.js';
import { alternate, median, medianRatio } from './rounds.js';
import { baseSizes as sizes, captionBatches, sizeFlags, trainingStep, type PaddedBatches } from './training-step.js';

interface PeerAnswer {
  readonly seconds: number;
  readonly maxRssMb: number;
}

/**
 * Complete training steps (forward, cross-entropy, backward, Adam) in words per second, compared
 * with PyTorch on the same CPU.
 */
export async function benchTrain(): Promise<object> {
  await useBackend('onnx');
  const learn = trainingStep(sizes);
  const peers = await Peer.startPyTorch('torch_train.py', sizeFlags(sizes));
  const memory: Record<string, number> = {};

  /** Words per second of steps over our batches, and over those of each peer. */
  const measure = async (ours: PaddedBatches, theirs: Record<string, PaddedBatches>) => {
    const contestants: Record<string, () => Promise<number>> = {
      captioner: async () => {
        const start = performance.now();
        for (const length of ours.lengths) await learn(length);
        return ours.words / ((performance.now() - start) / 1000);
      },
    };
    for (const [name, peer] of Object.entries(peers)) {
      for (const [how, { words, lengths }] of Object.entries(theirs)) {
        contestants[name + how] = async () => {
          const { seconds, maxRssMb } = await peer.ask<PeerAnswer>({ lengths });
          memory[name] = Math.round(maxRssMb);
          return words / seconds;
        };
      }
    }
    const { captioner, ...others } = await alternate(contestants, { rounds: 9, warmup: 2 });
    return {
      wordsPerSecond: Object.fromEntries(
        Object.entries({ captioner, ...others }).map(([name, values]) => [name, Math.round(median(values))]),
      ),
      ratioTo: Object.fromEntries(
        Object.entries(others).map(([name, values]) => [name, Number(medianRatio(captioner, values).toFixed(2))]),
      ) as Record<string, number>,
    };
  };

  const lengths = new Array<number>(10).fill(sizes.length);
  const equal = { words: lengths.length * sizes.batch * sizes.length, lengths };
  const full = await measure(equal, { '': equal });
  const { bucketed, shuffled } = captionBatches(20, sizes.batch);
  const real = await measure(bucketed, {
    ', shuffled and padded to the longest of a batch': shuffled,
    ', in our batches': bucketed,
  });
  for (const peer of Object.values(peers)) peer.stop();
  const share = 0.25;
  const sampling = await timeRatio(trainingStep(sizes, share), learn);
  return {
    what: `words per second of complete training steps, ${JSON.stringify(sizes)}`,
    captionsOfThatLength: full,
    captionsOfFlickr8kLengths: real,
    scheduledSampling: { share, timeOfPlainStep: Number(sampling.toFixed(2)) },
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), ...memory },
  };
}

/** The time of one step as a multiple of that of another. */
async function timeRatio(step: () => Promise<unknown>, other: () => Promise<unknown>): Promise<number> {
  const timed = (run: () => Promise<unknown>) => async () => {
    const start = performance.now();
    for (let i = 0; i < 5; i++) await run();
    return performance.now() - start;
  };
  const times = await alternate({ step: timed(step), other: timed(other) }, { rounds: 9, warmup: 2 });
  return medianRatio(times.step, times.other);
}
