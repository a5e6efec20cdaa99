import * as tf from '@tensorflow/tfjs-core';

/** The state of a layer: h, and in an LSTM also the cell c. Both [B, H]. */
export interface LayerState {
  readonly h: tf.Tensor2D;
  readonly c?: tf.Tensor2D;
}

/**
 * One time step of one recurrent layer.
 *
 * @param x this step's input times the kernel, plus the bias: x W + b, [B, gates * H].
 * @param recurrent U, [H, gates * H].
 */
export type Cell = (
  x: tf.Tensor2D,
  state: LayerState,
  recurrent: tf.Tensor2D,
  recurrentBias?: tf.Tensor1D,
) => LayerState;

/** Long short-term memory (Hochreiter and Schmidhuber 1997, with the forget gate of Gers et al. 2000). */
const lstm: Cell = (x, state, U) => {
  const z = tf.add(x, tf.matMul(state.h, U)); // [B, 4H]
  const [zi, zf, zg, zo] = tf.split(z, 4, 1) as tf.Tensor2D[]; // 4 times [B, H]
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
const gru: Cell = (x, state, U, b) => {
  const [xr, xz, xn] = tf.split(x, 3, 1) as tf.Tensor2D[]; // 3 times [B, H]
  const [hr, hz, hn] = tf.split(tf.matMul(state.h, U), 3, 1) as tf.Tensor2D[]; // 3 times [B, H]
  const r = tf.sigmoid(tf.add(xr, hr)); // [B, H]  how much of the past the candidate sees
  const z = tf.sigmoid(tf.add(xz, hz)); // [B, H]  how much to keep
  const zn: tf.Tensor2D = tf.add(xn, tf.mul(r, tf.add(hn, b!))); // [B, H]
  const n = tf.tanh(zn); // [B, H]  the candidate
  const kept: tf.Tensor2D = tf.mul(z, tf.sub(state.h, n)); // [B, H]
  const h: tf.Tensor2D = tf.add(n, kept); // [B, H]  (1 - z) n + z h
  return { h };
};

/** The simple recurrent network (Elman 1990). */
const rnn: Cell = (x, state, U) => {
  const z: tf.Tensor2D = tf.add(x, tf.matMul(state.h, U)); // [B, H]
  return { h: tf.tanh(z) }; // [B, H]
};

export const cells = { lstm, gru, rnn } as const;
