import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../backend/index.js';
import type { TrainingConfig } from '../config.js';
import type { Decoder, DropoutMasks } from '../model/decoder.js';
import type { Variables } from '../model/variables.js';
import { Random } from '../random.js';
import type { Batch } from './batches.js';
import { fillDropoutMask, maskShapes } from './dropout.js';
import { crossEntropy } from './loss.js';
import type { Adam } from './optimizer.js';

type Tensors = Record<string, tf.Tensor>;

/** The variables that an optimiser changes, by their names in checkpoints. */
export function trainableVariables(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([, variable]) => variable.trainable));
}

/** One step of training: forward, loss, gradients and optimiser in one function, compiled to one graph per batch length. */
export class TrainingStep {
  private readonly run: CompiledStep<Tensors, { loss: tf.Tensor; gradientNorm: tf.Tensor }>;
  private readonly masks = new Map<string, Float32Array>();

  constructor(
    private readonly decoder: Decoder,
    private readonly optimizer: Adam,
    private readonly config: Pick<TrainingConfig, 'batchSize' | 'labelSmoothing' | 'seed'>,
  ) {
    const trained = Object.entries(trainableVariables(decoder.variables));
    this.run = compile((inputs: Tensors) => {
      const { value: loss, grads } = tf.variableGrads(
        () => lossOf(decoder, inputs, config.labelSmoothing),
        trained.map(([, variable]) => variable),
      );
      const gradients = Object.fromEntries(trained.map(([name, variable]) => [name, grads[variable.name]]));
      const { stepSize, epsilon, keep } = inputs as Record<string, tf.Scalar>;
      return { loss, gradientNorm: optimizer.apply(gradients, { stepSize, epsilon, keep }) };
    });
  }

  /**
   * Learns from a batch.
   * @param step counted from 0; with the seed, it decides what is dropped.
   */
  async learn(batch: Batch, step: number, learningRate: number): Promise<{ loss: number; gradientNorm: number }> {
    const scalars = Object.entries(this.optimizer.scalars(step + 1, learningRate));
    const inputs = {
      ...tensorsOf(batch, this.config.batchSize),
      ...this.drawMasks(batch.length, new Random(this.config.seed, step, 1)),
      ...Object.fromEntries(scalars.map(([name, value]) => [name, tf.scalar(value)])),
    };
    return readScalars(this.run, inputs);
  }

  dispose(): void {
    this.run.dispose();
  }

  /** Fills the masks of a batch of length T; their arrays are used again by the next batch of this length. */
  private drawMasks(T: number, random: Random): Tensors {
    const { config, sizes } = this.decoder;
    const shapes = Object.entries(maskShapes(config, sizes.featureSize, T, this.config.batchSize));
    return Object.fromEntries(
      shapes.map(([name, { rate, shape }]) => {
        const key = `${name} ${shape.join('x')}`;
        const mask = this.masks.get(key) ?? new Float32Array(shape[0] * shape[1]);
        this.masks.set(key, mask);
        return [name, tf.tensor2d(fillDropoutMask(mask, rate, random), shape)];
      }),
    );
  }
}

/** The loss of batches without dropout and without learning. */
export class ValidationStep {
  private readonly run: CompiledStep<Tensors, { loss: tf.Tensor }>;

  constructor(
    decoder: Decoder,
    private readonly batchSize: number,
  ) {
    this.run = compile((inputs: Tensors) => ({ loss: lossOf(decoder, inputs, 0) }));
  }

  /** Mean per word. */
  async loss(batch: Batch): Promise<number> {
    return (await readScalars(this.run, tensorsOf(batch, this.batchSize))).loss;
  }

  dispose(): void {
    this.run.dispose();
  }
}

function lossOf(decoder: Decoder, inputs: Tensors, labelSmoothing: number): tf.Scalar {
  const { features, tokens, targets, weights } = inputs;
  const between = Object.entries(inputs).filter(([name]) => name.startsWith('mask/between'));
  const masks = {
    features: inputs['mask/features'],
    input: inputs['mask/input'],
    output: inputs['mask/output'],
    ...(between.length > 0 && { between: between.map(([, mask]) => mask) }),
  } as DropoutMasks;
  const logits = decoder.forward(features as tf.Tensor2D, tokens as tf.Tensor2D, masks); // [T * B, V]
  return crossEntropy(logits, targets as tf.Tensor1D, weights as tf.Tensor1D, labelSmoothing); // []
}

function tensorsOf({ length: T, features, tokens, targets, weights }: Batch, B: number): Tensors {
  return {
    features: tf.tensor2d(features, [B, features.length / B]),
    tokens: tf.tensor2d(tokens, [T, B], 'int32'),
    targets: tf.tensor1d(targets, 'int32'),
    weights: tf.tensor1d(weights),
  };
}

/** Runs a step whose outputs are single numbers, and frees its inputs and outputs. */
async function readScalars<O extends Tensors>(
  run: CompiledStep<Tensors, O>,
  inputs: Tensors,
): Promise<{ [K in keyof O]: number }> {
  try {
    const outputs = await run(inputs);
    const numbers = await Promise.all(
      Object.entries(outputs).map(async ([name, tensor]) => [name, (await tensor.data())[0]] as const),
    );
    tf.dispose(outputs);
    return Object.fromEntries(numbers) as { [K in keyof O]: number };
  } finally {
    tf.dispose(inputs);
  }
}
