import * as tf from '@tensorflow/tfjs-core';
import { compile, type CompiledStep } from '../../backend/index.js';
import type { Adam } from './optimizer.js';
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
  private readonly run: CompiledStep<Tensors, Record<string, tf.Scalar>>;
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
          return { ...gradients, ...squaresOf(gradients), loss } as Record<string, tf.Scalar>;
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
    if (!resident) {
      const { loss, gradientNorm } = await readScalars(run, { ...inputs, ...optimizer.inputs(step, learningRate) });
      return { loss, gradientNorm };
    }
    let gradientNorm = NaN;
    const { loss } = await readScalars(run, inputs, {
      before: () => {
        resident.house();
      },
      after: (outputs) => {
        gradientNorm = normOf(outputs, Object.keys(optimizer.variables));
        resident.apply(gradientNorm, step, learningRate);
      },
    });
    return { loss, gradientNorm };
  }

  /** Frees its memory. */
  dispose(): void {
    this.run.dispose();
  }
}

const squares = (weight: string) => `squares/${weight}`;

/** The sum of the squares of each gradient, by name. */
function squaresOf(gradients: Readonly<Record<string, tf.Tensor>>): Tensors {
  return Object.fromEntries(Object.entries(gradients).map(([name, g]) => [squares(name), tf.sum(tf.square(g))])); // each []
}

/** The norm of all gradients as one vector, from their sums of squares, with the rounding of `globalNorm`. */
function normOf(outputs: Tensors, weights: readonly string[]): number {
  const sums = weights.map((name) => outputs[squares(name)].dataSync()[0]);
  return Math.fround(Math.sqrt(sums.reduce((total, sum) => Math.fround(total + sum))));
}
