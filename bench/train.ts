import { availableParallelism } from 'node:os';
import { DecoderConfig, parseConfig, TrainingConfig } from '../lib/config.js';
import { useBackend } from '../lib/backend/index.js';
import { Decoder } from '../lib/model/decoder.js';
import { Random } from '../lib/random.js';
import { Adam } from '../lib/train/optimizer.js';
import { storedFeatures, trainableVariables, TrainingStep } from '../lib/train/step.js';
import type { Batch } from '../lib/train/batches.js';
import { Peer } from './peer.js';
import { alternate, median, medianRatio } from './rounds.js';

/** The network and batch that both sides train. */
const sizes = { features: 1280, hidden: 512, embedding: 300, vocabulary: 3000, batch: 64, length: 16 };
const stepsPerRound = 10;

/** Whole training steps (forward, cross-entropy, backward, Adam) in words learned per second, beside PyTorch on the same CPU. */
export async function benchTrain(): Promise<object> {
  await useBackend('onnx');
  const learn = trainingStep();
  const ours = async () => {
    const start = performance.now();
    for (let i = 0; i < stepsPerRound; i++) await learn();
    return wordsPerSecond((performance.now() - start) / 1000);
  };

  const peers = await startPeers();
  const contestants: Record<string, () => Promise<number>> = { captioner: ours };
  for (const [name, peer] of Object.entries(peers)) {
    if (typeof peer === 'string') console.log(`${name} is not compared: ${peer}`);
    else
      contestants[name] = async () =>
        wordsPerSecond((await peer.ask<{ seconds: number }>({ steps: stepsPerRound })).seconds);
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
    peakMemoryMB: Math.round(process.resourceUsage().maxRSS / 1024),
  };
}

const wordsPerSecond = (seconds: number) => (stepsPerRound * sizes.batch * sizes.length) / seconds;

/** PyTorch with one thread and with all: which is faster depends on the machine and on what else it does. */
async function startPeers(): Promise<Record<string, Peer | string>> {
  const flags = ['hidden', 'embedding', 'vocabulary', 'features', 'batch', 'length'] as const;
  const given = flags.flatMap((flag) => [`--${flag}`, String(sizes[flag])]);
  const peers: Record<string, Peer | string> = {};
  for (const threads of new Set([availableParallelism(), 1])) {
    const peer = await Peer.start('torch_train.py', [...given, '--threads', String(threads)]);
    peers[`PyTorch, ${threads} thread${threads > 1 ? 's' : ''}`] = peer;
    if (typeof peer !== 'string')
      console.log(`PyTorch ${peer.greeting.torch}: ${peer.greeting.variant}, ${threads} threads`);
  }
  return peers;
}

/** Our step, on random words and features. */
function trainingStep(): () => Promise<unknown> {
  const { features: D, batch: B, length: T, vocabulary: V } = sizes;
  const random = new Random(1);
  const decoderConfig = parseConfig(DecoderConfig, {
    hiddenSize: sizes.hidden,
    embeddingSize: sizes.embedding,
    normalizeFeatures: false,
    featureDropout: 0,
    inputDropout: 0.5,
    outputDropout: 0.5,
  });
  const decoder = new Decoder(decoderConfig, { featureSize: D, vocabularySize: V }, { random });
  const training = parseConfig(TrainingConfig, { batchSize: B, clipNorm: 0 });
  const step = new TrainingStep(
    decoder,
    storedFeatures,
    new Adam(trainableVariables(decoder.variables), training),
    training,
  );
  const batch: Batch = {
    length: T,
    features: Float32Array.from({ length: B * D }, () => random.uniform()),
    tokens: Int32Array.from({ length: T * B }, () => random.integer(V)),
    targets: Int32Array.from({ length: T * B }, () => random.integer(V)),
    weights: new Float32Array(T * B).fill(1 / (T * B)),
    words: T * B,
  };
  let count = 0;
  return () => step.learn(batch, count++, 1e-3);
}
