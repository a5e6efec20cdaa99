import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import type { TrainingConfig } from '../../config.js';
import type { Decoder, DropoutMasks } from '../../model/decoder/decoder.js';
import { Random } from '../../random.js';
import type { Batch, CaptionBatch } from '../batches/batches.js';
import { fillDropoutMask, maskShapes } from './dropout.js';
import { crossEntropy } from './loss.js';
import { LearningStep, type Learned } from '../loop/learning-step.js';
import type { Adam } from '../loop/optimizer.js';
import { readScalars, type Tensors } from '../loop/scalar-step.js';

/** The path from the photos of a batch to features within a step. */
export interface PhotoPath<B extends CaptionBatch> {
  /** The tensors that a step needs for that. */
  inputs(batch: B): Tensors;
  /** Features of each caption's photo, [B, D]. */
  features(inputs: Tensors): tf.Tensor2D;
}

/** The path of features that were computed before. */
export const storedFeatures: PhotoPath<Batch> = {
  inputs: ({ features, tokens, length }) => {
    const B = tokens.length / length;
    return { features: tf.tensor2d(features, [B, features.length / B]) };
  },
  features: ({ features }) => features as tf.Tensor2D,
};

/** One step of training: forward pass, loss, gradients and optimiser in one function, compiled to one graph per batch length. */
export class TrainingStep<B extends CaptionBatch> {
  private readonly steps: LearningStep;
  private readonly masks = new Map<string, Float32Array>();

  /** @param optimiser of all variables that are trained. */
  constructor(
    private readonly decoder: Decoder,
    private readonly path: PhotoPath<B>,
    optimizer: Adam,
    private readonly config: Pick<TrainingConfig, 'batchSize' | 'labelSmoothing' | 'seed'>,
  ) {
    this.steps = new LearningStep(optimizer, (inputs) =>
      lossOf(decoder, path.features(inputs), inputs, config.labelSmoothing),
    );
  }

  /**
   * Learns from a batch.
   * @param step counted from 0; with the seed, it decides which units are dropped.
   */
  async learn(batch: B, step: number, learningRate: number): Promise<Learned> {
    const inputs = {
      ...this.path.inputs(batch),
      ...captionTensors(batch),
      ...this.drawMasks(batch.length, new Random(this.config.seed, step, 1)),
    };
    return this.steps.learn(inputs, step + 1, learningRate);
  }

  /** Frees its memory. */
  dispose(): void {
    this.steps.dispose();
  }

  /** Fills the dropout masks of a batch of length T; the next batch of this length reuses their arrays. */
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

/** The loss of batches, without dropout and without learning. */
export class ValidationStep {
  private readonly run: CompiledStep<Tensors, { loss: tf.Scalar }>;

  constructor(decoder: Decoder) {
    this.run = compile((inputs: Tensors) => ({ loss: lossOf(decoder, storedFeatures.features(inputs), inputs, 0) }));
  }

  /** The mean loss per word. */
  async loss(batch: Batch): Promise<number> {
    return (await readScalars(this.run, { ...storedFeatures.inputs(batch), ...captionTensors(batch) })).loss;
  }

  /** Frees its memory. */
  dispose(): void {
    this.run.dispose();
  }
}

function lossOf(decoder: Decoder, features: tf.Tensor2D, inputs: Tensors, labelSmoothing: number): tf.Scalar {
  const { tokens, targets, weights } = inputs;
  const between = Object.entries(inputs).filter(([name]) => name.startsWith('mask/between'));
  const masks = {
    features: inputs['mask/features'],
    input: inputs['mask/input'],
    output: inputs['mask/output'],
    ...(between.length > 0 && { between: between.map(([, mask]) => mask) }),
  } as DropoutMasks;
  const logits = decoder.forward(features, tokens as tf.Tensor2D, masks); // [T * B, V]
  return crossEntropy(logits, targets as tf.Tensor1D, weights as tf.Tensor1D, labelSmoothing); // []
}

/** A batch's captions as tensors: words read [T, B], words to write [T * B], their weights [T * B]. */
function captionTensors({ length: T, tokens, targets, weights }: CaptionBatch): Tensors {
  return {
    tokens: tf.tensor2d(tokens, [T, tokens.length / T], 'int32'),
    targets: tf.tensor1d(targets, 'int32'),
    weights: tf.tensor1d(weights),
  };
}
