import { availableParallelism } from 'node:os';
import { useBackend } from '../lib/backend/index.js';
import { Peer } from './peer.js';
import { alternate, median, medianRatio } from './rounds.js';
import { baseSizes as sizes, sizeFlags, trainingStep } from './training-step.js';

const stepsPerRound = 10;

/** Whole training steps (forward, cross-entropy, backward, Adam) in words learned per second, beside PyTorch on the same CPU. */
export async function benchTrain(): Promise<object> {
  await useBackend('onnx');
  const learn = trainingStep(sizes);
  const ours = async () => {
    const start = performance.now();
    for (let i = 0; i < stepsPerRound; i++) await learn();
    return wordsPerSecond((performance.now() - start) / 1000);
  };

  const peers = await startPeers();
  const contestants: Record<string, () => Promise<number>> = { captioner: ours };
  const memory: Record<string, number> = {};
  for (const [name, peer] of Object.entries(peers)) {
    if (typeof peer === 'string') console.log(`${name} is not compared: ${peer}`);
    else
      contestants[name] = async () => {
        const { seconds, maxRssMb } = await peer.ask<{ seconds: number; maxRssMb: number }>({ steps: stepsPerRound });
        memory[name] = Math.round(maxRssMb);
        return wordsPerSecond(seconds);
      };
  }
  const rates = await alternate(contestants, { rounds: 9, warmup: 2 });
  for (const peer of Object.values(peers)) if (typeof peer !== 'string') peer.stop();

  const medians = Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, Math.round(median(values))]));
  const { captioner, ...others } = rates;
  const ratios = Object.entries(others).map(([name, values]) => [
    name,
    Number(medianRatio(captioner, values).toFixed(2)),
  ]);
  return {
    what: `words per second of whole training steps, ${JSON.stringify(sizes)}`,
    medians,
    ratioTo: Object.fromEntries(ratios) as Record<string, number>,
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), ...memory },
  };
}

const wordsPerSecond = (seconds: number) => (stepsPerRound * sizes.batch * sizes.length) / seconds;

/** PyTorch with one thread and with all: which is faster depends on the machine and on what else it does. */
async function startPeers(): Promise<Record<string, Peer | string>> {
  const peers: Record<string, Peer | string> = {};
  for (const threads of new Set([availableParallelism(), 1])) {
    const peer = await Peer.start('torch_train.py', [...sizeFlags(sizes), '--threads', String(threads)]);
    peers[`PyTorch, ${threads} thread${threads > 1 ? 's' : ''}`] = peer;
    if (typeof peer !== 'string')
      console.log(`PyTorch ${peer.greeting.torch}: ${peer.greeting.variant}, ${threads} threads`);
  }
  return peers;
}
