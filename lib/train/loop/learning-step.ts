import type * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import { globalNorm, type Adam } from './optimizer.js';
import { ResidentAdam } from './resident-adam.js';
import { readScalars, type Tensors } from './scalar-step.js';

/** The result of a step: its loss, and the global norm of the gradients before clipping. */
export interface Learned {
  readonly loss: number;
  readonly gradientNorm: number;
}

/**
 * Steps of an optimiser on a loss, compiled to one graph per set of input shapes. On the 'onnx'
 * backend the graph computes the gradients, and {@link ResidentAdam} changes the weights;
 * elsewhere one function of TensorFlow.js operations does both.
 */
export class LearningStep {
  private readonly run: CompiledStep<Tensors, { loss: tf.Scalar; gradientNorm: tf.Scalar }>;
  private readonly resident?: ResidentAdam;

  /** @param lossOf the loss of a step's inputs, in TensorFlow.js operations. */
  constructor(
    private readonly optimizer: Adam,
    lossOf: (inputs: Tensors) => tf.Scalar,
  ) {
    this.resident = ResidentAdam.create(optimizer);
    if (this.resident) {
      const memory = this.resident.gradients;
      this.run = compile(
        (inputs: Tensors) => {
          const { loss, gradients } = optimizer.gradients(() => lossOf(inputs));
          return { ...gradients, loss, gradientNorm: globalNorm(gradients) };
        },
        { memory },
      );
    } else this.run = compile((inputs: Tensors) => optimizer.minimize(() => lossOf(inputs), inputs));
  }

  /**
   * Learns from inputs, and frees them.
   * @param step counted from 1.
   */
  async learn(inputs: Tensors, step: number, learningRate: number): Promise<Learned> {
    const { optimizer, resident, run } = this;
    if (!resident) return readScalars(run, { ...inputs, ...optimizer.inputs(step, learningRate) });
    return readScalars(run, inputs, {
      before: () => {
        resident.house();
      },
      after: ({ gradientNorm }) => {
        resident.apply(gradientNorm.dataSync()[0], step, learningRate);
      },
    });
  }

  /** Frees its memory. */
  dispose(): void {
    this.run.dispose();
  }
}
