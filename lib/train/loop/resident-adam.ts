import type { Variable } from '@tensorflow/tfjs-core';
import { currentOnnxBackend } from '../../backend/backend.js';
import { ResidentArrays, type ResidentArray } from '../../backend/resident-arrays.js';
import { adamKernel, type AdamKernel } from './adam-kernel.js';
import type { Adam } from './optimizer.js';

/** Rounds to a float, as a tensor does. */
const f32 = Math.fround;

/** A weight with its slots, its average and its gradient. */
interface Resident {
  readonly name: string;
  readonly arrays: readonly (readonly [Variable, ResidentArray])[];
  readonly gradient: ResidentArray;
  readonly bytes: number;
}

/**
 * The update of an {@link Adam} in one pass over memory, on the 'onnx' backend. Weights, slots and
 * gradients are in memory that ONNX Runtime and a WebAssembly kernel share; the results are those
 * of {@link Adam.apply}, bit by bit.
 */
export class ResidentAdam {
  /** Memory that a step's gradients are to be written to, by weight. */
  readonly gradients: ReadonlyMap<string, Float32Array>;

  private constructor(
    private readonly adam: Adam,
    private readonly memory: ResidentArrays,
    private readonly kernel: AdamKernel,
    private readonly residents: readonly Resident[],
  ) {
    this.gradients = new Map(residents.map(({ name, gradient }) => [name, gradient.values]));
  }

  /** undefined on other backends, or where WebAssembly has no vectors or too little memory. */
  static create(adam: Adam): ResidentAdam | undefined {
    if (!currentOnnxBackend()) return undefined;
    const weights = Object.keys(adam.variables).map((name) => ({ name, variables: adam.arraysOf(name) }));
    const sizes = weights.flatMap(({ variables }) => [variables[0], ...variables].map(({ size }) => size));
    let memory: ResidentArrays;
    try {
      memory = new ResidentArrays(sizes);
    } catch (error) {
      if (error instanceof RangeError) return undefined;
      throw error;
    }
    const kernel = adamKernel(memory.memory, adam.config.optimizer === 'amsgrad');
    if (!kernel) return undefined;
    const residents = weights.map(({ name, variables }): Resident => {
      const { size } = variables[0];
      return {
        name,
        arrays: variables.map((variable) => [variable, memory.allocate(size)]),
        gradient: memory.allocate(size),
        bytes: size * Float32Array.BYTES_PER_ELEMENT,
      };
    });
    return new ResidentAdam(adam, memory, kernel, residents);
  }

  /** Makes sure that the kernel's memory is that of the variables. Call it before gradients are computed. */
  house(): void {
    for (const { arrays } of this.residents) {
      for (const [variable, array] of arrays) this.memory.house(variable, array);
    }
  }

  /**
   * Changes the variables by one step of the gradients.
   * @param step counted from 1.
   */
  apply(gradientNorm: number, step: number, learningRate: number): void {
    const { adam, kernel } = this;
    const { clipNorm, averages, share = () => 1 } = adam.config;
    const { beta1, beta2 } = adam;
    const { stepSize, epsilon, keep, follow } = adam.scalars(step, learningRate);
    const clip = clipNorm > 0 ? Math.min(f32(clipNorm) / gradientNorm, 1) : 1;
    for (const { name, arrays, gradient, bytes } of this.residents) {
      const [[weight]] = arrays;
      const addresses = arrays.map(([, { address }]) => address);
      const average = averages?.[name] && addresses.pop();
      const [w, m, v, u = v] = addresses;
      const part = share(name);
      const rate = f32(stepSize) * f32(part);
      const left = adam.decays(weight) ? f32(f32(keep) * f32(part)) + f32(1 - part) : 1;
      kernel.step(w, m, v, u, gradient.address, bytes, beta1, beta2, clip, rate, epsilon, left);
      if (average !== undefined) kernel.average(average, w, bytes, follow);
    }
  }
}
