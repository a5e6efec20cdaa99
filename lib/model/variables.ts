import * as tf from '@tensorflow/tfjs-core';
import { CaptionerError } from '../errors.js';
import type { Random } from '../random.js';
import { initialValues, type Parameter } from './parameters.js';
import type { Weights } from '../files/safetensors.js';

export type Variables = Readonly<Record<string, tf.Variable>>;

/**
 * Makes one tfjs variable of each parameter: from the values given for it, else from its initialiser.
 *
 * @throws CaptionerError `mismatch`: values whose number does not fit the parameter's shape.
 */
export function createVariables(
  parameters: readonly Parameter[],
  given: ReadonlyMap<string, Float32Array>,
  random: Random,
): Variables {
  const variables: Record<string, tf.Variable> = {};
  for (const parameter of parameters) {
    const { name, shape, trainable } = parameter;
    const initial = initialValues(parameter, random); // drawn even when not used: the others do not depend on it
    const values = given.get(name) ?? initial;
    if (values.length !== initial.length) {
      disposeVariables(variables);
      throw new CaptionerError(
        'mismatch',
        `The network's '${name}' has shape [${shape.join(', ')}], but got ${values.length} numbers.`,
      );
    }
    variables[name] = createVariable(values, shape, trainable, name);
  }
  return variables;
}

/** A tfjs variable that starts with a copy of `values`. */
export function createVariable(
  values: Float32Array,
  shape: readonly number[],
  trainable: boolean,
  name: string,
): tf.Variable {
  return tf.tidy(() => tf.variable(tf.tensor(values.slice(), [...shape], 'float32'), trainable, freeName(name)));
}

/** The current values of variables. */
export function weightsOf(variables: Variables): Weights {
  return new Map(
    Object.entries(variables).map(([name, variable]) => [
      name,
      { shape: variable.shape, data: variable.dataSync<'float32'>() },
    ]),
  );
}

/** The same variables by longer names: `encoder/x` for `x`. */
export function withPrefix(prefix: string, variables: Variables): Variables {
  return Object.fromEntries(Object.entries(variables).map(([name, variable]) => [prefix + name, variable]));
}

export function disposeVariables(variables: Variables): void {
  tf.dispose(Object.values(variables));
}

/** A name that no living tfjs variable has: those of a second decoder are numbered. */
function freeName(name: string): string {
  const taken = tf.engine().registeredVariables;
  let free = name;
  for (let i = 2; taken[free]; i++) free = `${name}#${i}`;
  return free;
}

/**
 * Pretrained vectors with random ones in the rows that have none (words without a vector, <start>, <end>, <unk>), at
 * the scale of the others.
 *
 * @param vectors [V, E] row-major, rows of zeros for missing vectors.
 */
export function fillEmptyRows(vectors: Float32Array, vocabularySize: number, random: Random): Float32Array {
  const E = vectors.length / vocabularySize;
  const matrix = vectors.slice();
  const rows = Array.from({ length: vocabularySize }, (_, i) => matrix.subarray(i * E, (i + 1) * E));
  const empty = rows.filter((row) => row.every((x) => x === 0));
  const squares = matrix.reduce((sum, x) => sum + x * x, 0);
  const standardDeviation = Math.sqrt(squares / ((rows.length - empty.length) * E)) || 0.1;
  for (const row of empty) for (let k = 0; k < E; k++) row[k] = standardDeviation * random.normal();
  return matrix;
}
