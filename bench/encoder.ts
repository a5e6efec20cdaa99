import * as tf from '@tensorflow/tfjs-core';
import { availableParallelism } from 'node:os';
import { parseConfig, TrainingConfig } from '../lib/config.js';
import { compile, useBackend } from '../lib/backend/index.js';
import { ConvNet } from '../lib/model/encoder/convnet.js';
import { Random } from '../lib/random.js';
import { Adam } from '../lib/train/loop/optimizer.js';
import { trainableVariables } from '../lib/train/loop/scalar-step.js';
import { Peer } from './peer.js';
import { alternate, median, medianRatio } from './rounds.js';

/** The network and batch that both sides train. */
const sizes = { batch: 64, pixels: 128, width: 40, blocks: 1, outputs: 1280 };
const stepsPerRound = 2;

/**
 * Complete training steps (forward, backward, AdamW) of our convolutional network in photos per
 * second, compared with PyTorch on the same CPU.
 */
export async function benchEncoder(): Promise<object> {
  await useBackend('onnx');
  const learn = trainingStep();
  const ours = async () => {
    const start = performance.now();
    for (let i = 0; i < stepsPerRound; i++) await learn();
    return photosPerSecond((performance.now() - start) / 1000);
  };
  const flags = Object.entries(sizes).flatMap(([name, size]) => [`--${name}`, String(size)]);
  const peer = await Peer.start('torch_encoder.py', [...flags, '--threads', String(availableParallelism())]);
  const contestants: Record<string, () => Promise<number>> = { captioner: ours };
  let peerMemory = 0;
  if (typeof peer === 'string') console.log(`PyTorch is not compared: ${peer}`);
  else {
    console.log(`PyTorch ${peer.greeting.torch}, ${availableParallelism()} threads`);
    contestants.PyTorch = async () => {
      const { seconds, maxRssMb } = await peer.ask<{ seconds: number; maxRssMb: number }>({ steps: stepsPerRound });
      peerMemory = maxRssMb;
      return photosPerSecond(seconds);
    };
  }
  const rates = await alternate(contestants, { rounds: 7, warmup: 1 });
  if (typeof peer !== 'string') peer.stop();
  const { captioner, PyTorch } = rates;
  return {
    what: `photos per second of complete training steps of a ConvNet, ${JSON.stringify(sizes)}`,
    medians: Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, Math.round(median(values))])),
    ...(PyTorch && { ratioToPyTorch: Number(medianRatio(captioner, PyTorch).toFixed(2)) }),
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), PyTorch: Math.round(peerMemory) },
  };
}

const photosPerSecond = (seconds: number) => (stepsPerRound * sizes.batch) / seconds;

/** Our training step, on random photos and target features. */
function trainingStep(): () => Promise<unknown> {
  const random = new Random(1);
  const network = new ConvNet(sizes, sizes.outputs, { random });
  const adam = new Adam(
    trainableVariables(network.variables),
    parseConfig(TrainingConfig, { clipNorm: 0, weightDecay: 0.01 }),
  );
  const step = compile(({ photos, features, ...scalars }: Record<string, tf.Tensor>) => {
    const { loss } = adam.minimize(() => {
      const difference = tf.sub(network.learn(photos as tf.Tensor4D), features);
      return tf.mean<tf.Scalar>(tf.square(difference));
    }, scalars);
    return { loss };
  });
  const { batch, pixels, outputs } = sizes;
  const filled = (shape: number[]) =>
    tf.tensor(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.uniform()),
      shape,
    );
  const [photos, features] = [filled([batch, 3, pixels, pixels]), filled([batch, outputs])];
  let count = 0;
  return async () => {
    const { loss } = await step({ photos, features, ...adam.inputs(++count, 1e-3) });
    loss.dispose();
  };
}
