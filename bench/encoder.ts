import * as tf from '@tensorflow/tfjs-core';
import { availableParallelism } from 'node:os';
import { parseConfig, TrainingConfig } from '../lib/config.js';
import { compile, useBackend } from '../lib/backend/index.js';
import { batchNormTraining } from '../lib/model/batch-norm.js';
import { createVariable, type Variables } from '../lib/model/variables.js';
import { Random } from '../lib/random.js';
import { Adam } from '../lib/train/optimizer.js';
import { Peer } from './peer.js';
import { alternate, median, medianRatio } from './rounds.js';

/** The batch, and the network: stages of a convolution with stride 2 and, where `residual`, two more around which a shortcut leads. */
const sizes = { batch: 64, pixels: 128, outputs: 1280 };
const stages = [
  { channels: 32, residual: false },
  { channels: 64, residual: true },
  { channels: 128, residual: true },
  { channels: 256, residual: true },
];
const stepsPerRound = 2;

/** Whole training steps (forward, backward, AdamW) of a convolutional encoder in photos per second, beside PyTorch on the same CPU. */
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
    what: `photos per second of whole training steps of a convolutional network, ${JSON.stringify(sizes)}`,
    medians: Object.fromEntries(Object.entries(rates).map(([name, values]) => [name, Math.round(median(values))])),
    ...(PyTorch && { ratioToPyTorch: Number(medianRatio(captioner, PyTorch).toFixed(2)) }),
    peakMemoryMB: { captioner: Math.round(process.resourceUsage().maxRSS / 1024), PyTorch: Math.round(peerMemory) },
  };
}

const photosPerSecond = (seconds: number) => (stepsPerRound * sizes.batch) / seconds;

/** The weights, drawn with He's deviation. */
function createWeights(random: Random): Variables {
  const weights: Record<string, tf.Variable> = {};
  const add = (name: string, shape: number[], value: () => number) => {
    const values = Float32Array.from({ length: tf.util.sizeFromShape(shape) }, value);
    weights[name] = createVariable(values, shape, true, name);
  };
  const normal = (fanIn: number) => () => random.normal() * Math.sqrt(2 / fanIn);
  const block = (name: string, from: number, to: number) => {
    add(`${name}/filter`, [3, 3, from, to], normal(9 * from));
    add(`${name}/gamma`, [to], () => 1);
    add(`${name}/beta`, [to], () => 0);
  };
  let from = 3;
  for (const [i, { channels, residual }] of stages.entries()) {
    block(`${i}/down`, from, channels);
    if (residual) ['first', 'second'].forEach((name) => block(`${i}/${name}`, channels, channels));
    from = channels;
  }
  add('dense', [from, sizes.outputs], normal(from));
  add('bias', [sizes.outputs], () => 0);
  return weights;
}

/** Features [N, outputs] of photos [N, 3, pixels, pixels]. */
function forward(weights: Variables, photos: tf.Tensor4D): tf.Tensor2D {
  const block = (x: tf.Tensor4D, name: string, stride: number): tf.Tensor4D => {
    const [filter, gamma, beta] = ['filter', 'gamma', 'beta'].map((part) => weights[`${name}/${part}`]);
    const y = tf.conv2d(x, filter as unknown as tf.Tensor4D, stride, 1, 'NCHW');
    return batchNormTraining(y, gamma as unknown as tf.Tensor1D, beta as unknown as tf.Tensor1D).y;
  };
  let x = photos;
  for (const [i, { residual }] of stages.entries()) {
    x = tf.relu(block(x, `${i}/down`, 2));
    if (!residual) continue;
    const inner = tf.relu<tf.Tensor4D>(block(x, `${i}/first`, 1));
    x = tf.relu<tf.Tensor4D>(tf.add<tf.Tensor4D>(x, block(inner, `${i}/second`, 1)));
  }
  const pooled = tf.mean<tf.Tensor2D>(x, [2, 3]); // [N, channels]
  return tf.add(tf.matMul(pooled, weights.dense as unknown as tf.Tensor2D), weights.bias);
}

/** Our step, on random photos and features to learn. */
function trainingStep(): () => Promise<unknown> {
  const random = new Random(1);
  const weights = createWeights(random);
  const adam = new Adam(weights, parseConfig(TrainingConfig, { clipNorm: 0, weightDecay: 0.01 }));
  const step = compile(
    ({ photos, features, ...scalars }: Record<string, tf.Tensor>) => {
      const { value: loss, grads } = tf.variableGrads(() => {
        const difference = tf.sub(forward(weights, photos as tf.Tensor4D), features);
        return tf.mean<tf.Scalar>(tf.square(difference));
      });
      const gradients = Object.fromEntries(Object.entries(weights).map(([name, v]) => [name, grads[v.name]]));
      adam.apply(gradients, scalars as Record<'stepSize' | 'epsilon' | 'keep', tf.Scalar>);
      return { loss };
    },
    { profile: process.env.CAPTIONER_BENCH_PROFILE },
  );
  const { batch, pixels, outputs } = sizes;
  const filled = (shape: number[]) =>
    tf.tensor(
      Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.uniform()),
      shape,
    );
  const [photos, features] = [filled([batch, 3, pixels, pixels]), filled([batch, outputs])];
  let count = 0;
  return async () => {
    const scalars = Object.entries(adam.scalars(++count, 1e-3)).map(([name, value]) => [name, tf.scalar(value)]);
    const { loss } = await step({ photos, features, ...(Object.fromEntries(scalars) as Record<string, tf.Scalar>) });
    loss.dispose();
    if (process.env.CAPTIONER_BENCH_PROFILE !== undefined && count === 6) step.dispose();
  };
}
