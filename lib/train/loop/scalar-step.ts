import * as tf from '@tensorflow/tfjs-core';
import type { CompiledStep, StepHooks } from '../../backend/index.js';
import type { Variables } from '../../model/variables.js';

/** Tensors by name. */
export type Tensors = Record<string, tf.Tensor>;

/** The variables that an optimiser changes, by their names in checkpoints. */
export function trainableVariables(variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).filter(([, variable]) => variable.trainable));
}

/** Runs a step, reads its outputs that are single numbers, and frees its inputs and outputs. */
export async function readScalars<K extends string>(
  run: CompiledStep<Tensors, Record<K, tf.Scalar>>,
  inputs: Tensors,
  hooks?: StepHooks<Record<K, tf.Scalar>>,
): Promise<Record<K, number>> {
  try {
    const outputs = await run(inputs, hooks);
    const scalars = Object.entries<tf.Tensor>(outputs).filter(([, { rank }]) => rank === 0);
    const numbers = await Promise.all(scalars.map(async ([name, tensor]) => [name, (await tensor.data())[0]] as const));
    tf.dispose(outputs);
    return Object.fromEntries(numbers) as Record<K, number>;
  } finally {
    tf.dispose(inputs);
  }
}
