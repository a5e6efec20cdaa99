import * as tf from '@tensorflow/tfjs-core';

/** The state of a layer: h, and in an LSTM also the cell c. Both [B, H]. */
export interface LayerState {
  readonly h: tf.Tensor2D;
  readonly c?: tf.Tensor2D;
}

/**
 * The weights of a recurrent layer, for states in rows [B, H] or in columns [H, B]. Whole captions
 * are processed in columns: as the left operand, U is multiplied half as fast again.
 */
export interface Recurrence {
  /** The axis of the units: 1 in rows, 0 in columns. */
  readonly axis: 0 | 1;
  /** h U [B, gates * H]; in columns U^T h [gates * H, B]. */
  product(h: tf.Tensor2D): tf.Tensor2D;
  /** b' of a GRU, [H]; in columns [H, 1]. */
  readonly bias?: tf.Tensor;
}

/** A recurrence in rows, or in columns. @param U [H, gates * H]. @param bias [H]. */
export function recurrence(axis: 0 | 1, U: tf.Tensor2D, bias?: tf.Tensor): Recurrence {
  const product = (h: tf.Tensor2D): tf.Tensor2D => (axis === 1 ? tf.matMul(h, U) : tf.matMul(U, h, true));
  return { axis, product, bias: bias && axis === 0 ? tf.reshape(bias, [-1, 1]) : bias };
}

/**
 * One time step of one recurrent layer. Shapes are those of states in rows.
 *
 * @param x this step's input times the kernel, plus the bias: x W + b, [B, gates * H].
 */
export type Cell = (x: tf.Tensor2D, state: LayerState, recurrence: Recurrence) => LayerState;

/** Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000). */
const lstm: Cell = (x, state, { axis, product }) => {
  const z = tf.add(x, product(state.h)); // [B, 4H]
  const [zi, zf, zg, zo] = tf.split(z, 4, axis) as tf.Tensor2D[]; // 4 times [B, H]
  const i = tf.sigmoid(zi); // [B, H]  how much to write
  const f = tf.sigmoid(zf); // [B, H]  how much to keep
  const g = tf.tanh(zg); // [B, H]  what to write
  const o = tf.sigmoid(zo); // [B, H]  how much to show
  const c: tf.Tensor2D = tf.add(tf.mul(f, state.c!), tf.mul(i, g)); // [B, H]
  const h: tf.Tensor2D = tf.mul(o, tf.tanh(c)); // [B, H]
  return { h, c };
};

/**
 * Gated recurrent unit (Cho et al. 2014), with the reset gate after the product h U as in cuDNN and PyTorch: so that
 * one matrix product serves all gates.
 */
const gru: Cell = (x, state, { axis, product, bias: b }) => {
  const [xr, xz, xn] = tf.split(x, 3, axis) as tf.Tensor2D[]; // 3 times [B, H]
  const [hr, hz, hn] = tf.split(product(state.h), 3, axis) as tf.Tensor2D[]; // 3 times [B, H]
  const r = tf.sigmoid(tf.add(xr, hr)); // [B, H]  how much of the past the candidate sees
  const z = tf.sigmoid(tf.add(xz, hz)); // [B, H]  how much to keep
  const zn: tf.Tensor2D = tf.add(xn, tf.mul(r, tf.add(hn, b!))); // [B, H]
  const n = tf.tanh(zn); // [B, H]  the candidate
  const kept: tf.Tensor2D = tf.mul(z, tf.sub(state.h, n)); // [B, H]
  const h: tf.Tensor2D = tf.add(n, kept); // [B, H]  (1 - z) n + z h
  return { h };
};

/** The simple recurrent network (Elman 1990). */
const rnn: Cell = (x, state, { product }) => {
  const z: tf.Tensor2D = tf.add(x, product(state.h)); // [B, H]
  return { h: tf.tanh(z) }; // [B, H]
};

export const cells = { lstm, gru, rnn } as const;
