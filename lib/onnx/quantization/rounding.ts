import type { Range } from './statistics.js';

/** A way to write numbers in 8 bits: x ≈ scale (q - zero), q from 0 to 255. */
export interface Rounding {
  readonly scale: number;
  readonly zero: number;
}

/** The rounding of a range. 0 is always exact: padding and ReLU depend on it. */
export function roundingOf({ min, max }: Range): Rounding {
  const [low, high] = [Math.min(0, min), Math.max(0, max)];
  const scale = Math.fround(Math.max(high - low, 1e-8) / 255);
  return { scale, zero: Math.min(255, Math.max(0, Math.round(-low / scale))) };
}

/**
 * The greatest weight. Processors without 8-bit dot products (x64 without VNNI) add two products of an unsigned and a signed byte in
 * 16 bits, which 2 · 255 · 127 does not fit: sums would be cut off. 2 · 255 · 64 fits, so the result is the same on all processors.
 */
const greatestWeight = 64;

/** Weights and bias to round. */
export interface Weights {
  readonly data: Float32Array;
  /** [O] */
  readonly bias: ArrayLike<number>;
  /** The output that weight i contributes to. */
  readonly outputOf: (i: number) => number;
  /** The mean of the number that weight i is multiplied by. */
  readonly meanOf: (i: number) => number;
  /** Scale of the numbers that the weights are multiplied by. */
  readonly scaleOfX: number;
}

/** Weights as integers, w ≈ scale q, with a scale for each output. */
export interface RoundedWeights {
  readonly values: Int8Array;
  /** [O] */
  readonly scales: Float32Array;
  /** [O], in steps of (scale of x) (scale of w). */
  readonly bias: Int32Array;
}

/**
 * Rounds weights to integers. What an output loses on average by that, Σ (w - scale q) mean(x), is added to its bias (Nagel et al. 2019,
 * https://arxiv.org/abs/1906.04721).
 */
export function roundWeights({ data, bias, outputOf, meanOf, scaleOfX }: Weights): RoundedWeights {
  const scales = new Float32Array(bias.length);
  for (let i = 0; i < data.length; i++) scales[outputOf(i)] = Math.max(scales[outputOf(i)], Math.abs(data[i]));
  // An output of tiny weights and a large bias must not leave the 32 bits of the bias.
  scales.forEach((most, o) => {
    scales[o] = Math.max(most / greatestWeight, Math.abs(bias[o]) / scaleOfX / 2 ** 30, 1e-30);
  });
  const values = Int8Array.from(data, (w, i) => Math.round(w / scales[outputOf(i)]));
  const corrected = Float64Array.from(bias);
  for (let i = 0; i < data.length; i++) {
    corrected[outputOf(i)] += (data[i] - scales[outputOf(i)] * values[i]) * meanOf(i);
  }
  return { values, scales, bias: Int32Array.from(corrected, (b, o) => Math.round(b / (scaleOfX * scales[o]))) };
}
