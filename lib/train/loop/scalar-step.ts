import * as tf from '@tensorflow/tfjs-core';
import type { CompiledStep } from '../../backend/index.js';
import type { Variables } from '../../model/variables.js';

/** Tensors by name. */
export type Tensors = Record<string, tf.Tensor>;

/** The variables that an optimiser changes, by their names in checkpoints. */
export function trainableVariables(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([, variable]) => variable.trainable));
}

/** Runs a step whose outputs are single numbers, and frees its inputs and outputs. */
export async function readScalars<O extends Tensors>(
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
