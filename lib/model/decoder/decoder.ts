import * as tf from '@tensorflow/tfjs-core';
import type { DecoderConfig } from '../../config.js';
import { Random } from '../../random.js';
import { cells, recurrence, type LayerState, type Recurrence } from './cells.js';
import { decoderParameters, stateNames, type DecoderSizes } from '../parameters.js';
import { createVariables, disposeVariables, fillEmptyRows, type Variables } from '../variables.js';

/** The state of the network between words: h0, c0, h1, …, each [B, H]. */
export type DecoderState = Record<string, tf.Tensor2D>;

/** Dropout as numbers to multiply by: 0 where a unit is dropped, 1 / (1 - rate) where it stays. None in use. */
export interface DropoutMasks {
  /** [B, D] */
  readonly features?: tf.Tensor2D;
  /** [T * B, E] */
  readonly input?: tf.Tensor2D;
  /** [T * B, H] each, one between any two layers */
  readonly between?: readonly tf.Tensor2D[];
  /** [T * B, H] */
  readonly output?: tf.Tensor2D;
}

/** Options of a decoder. */
export interface DecoderOptions {
  /** Draws the initial values. Default: `new Random(1)`. */
  readonly random?: Random;
  /** Pretrained word vectors, [V, E] row-major: their E replaces `embeddingSize`; rows of zeros are drawn at random. */
  readonly vectors?: Float32Array;
  /** Mean of each feature over the training photos, [D]. */
  readonly featureMean?: Float32Array;
  /** Standard deviation of each feature over the training photos, [D]. */
  readonly featureStd?: Float32Array;
  /** The arrays of a checkpoint, by name: used instead of initial values. */
  readonly weights?: ReadonlyMap<string, { readonly data: Float32Array }>;
}

/**
 * The network that writes captions: "Show and Tell" (Vinyals et al. 2015, eq. 10 to 12). The photo enters as the
 * initial state, or, as in the paper, as the first word.
 *
 * Symbols: B rows (captions or hypotheses), T words, D features, E embedding, H hidden units, V vocabulary, G gates.
 * Sequences are time-major: row t * B + b is word t of caption b.
 */
export class Decoder {
  readonly config: DecoderConfig;
  /** Every array by its name in checkpoints; those that are `trainable` are for the optimiser. */
  readonly variables: Variables;

  /** @throws CaptionerError `mismatch`: vectors, statistics or weights whose size does not fit the config. */
  constructor(
    config: DecoderConfig,
    readonly sizes: DecoderSizes,
    options: DecoderOptions = {},
  ) {
    const { random = new Random(1), vectors, featureMean, featureStd, weights } = options;
    this.config = vectors ? { ...config, embeddingSize: vectors.length / sizes.vocabularySize } : config;
    const given = new Map<string, Float32Array>();
    if (vectors) given.set('embedding', fillEmptyRows(vectors, sizes.vocabularySize, random));
    if (featureMean) given.set('features/mean', featureMean);
    if (featureStd) given.set('features/std', featureStd);
    for (const [name, { data }] of weights ?? []) given.set(name, data);
    this.variables = createVariables(decoderParameters(this.config, sizes), given, random);
  }

  /** Teacher forcing: the logits [T * B, V] of every next word, given features [B, D] and the words [T, B] int32. */
  forward(features: tf.Tensor2D, tokens: tf.Tensor2D, masks: DropoutMasks = {}): tf.Tensor2D {
    return this.score(this.outputs(features, tokens, masks)); // [T * B, V]
  }

  /** The outputs [T * B, H] of the last layer, after dropout: what {@link forward} scores. */
  outputs(features: tf.Tensor2D, tokens: tf.Tensor2D, masks: DropoutMasks = {}): tf.Tensor2D {
    const T = tokens.shape[0];
    const initial = this.initialState(features, masks.features); // each [B, H]
    let x = this.embed(tf.reshape(tokens, [-1])); // [T * B, E]
    if (masks.input) x = tf.mul(x, masks.input); // [T * B, E]
    for (let layer = 0; layer < this.config.layers; layer++) {
      if (layer > 0 && masks.between) x = tf.mul(x, masks.between[layer - 1]); // [T * B, H]
      const inputs = split(this.contributionColumns(layer, x), T, 1); // T times [G * H, B]
      const recurrence = this.recurrence(layer, 0);
      const outputs: tf.Tensor2D[] = []; // T times [H, B]
      const [h, c] = ['h', 'c'].map((name) => initial[`${name}${layer}`] as tf.Tensor2D | undefined); // each [B, H]
      let state: LayerState = { h: tf.transpose(h!), c: c && tf.transpose(c) }; // each [H, B]
      for (const input of inputs) {
        state = cells[this.config.cell](input, state, recurrence); // each [H, B]
        outputs.push(state.h);
      }
      x = tf.transpose(tf.concat(outputs, 1)); // [T * B, H]
    }
    return masks.output ? tf.mul(x, masks.output) : x; // [T * B, H]
  }

  /** The state of the network before the first word: features [B, D] -> each [B, H]. */
  initialState(features: tf.Tensor2D, mask?: tf.Tensor2D): DecoderState {
    const { config, variables: v } = this;
    const names = stateNames(config);
    let x = features; // [B, D]
    if (config.normalizeFeatures) x = tf.div(tf.sub(x, v['features/mean']), v['features/std']); // [B, D]
    if (mask) x = tf.mul(x, mask); // [B, D]
    const photo: tf.Tensor2D = tf.add(tf.matMul(x, v['init/kernel'] as tf.Tensor2D), v['init/bias']); // [B, S] or [B, E]
    if (config.conditioning === 'init-state') {
      // No tanh: it would throw magnitudes away. A linear c0 carries the photo through all steps.
      const states = split(photo, names.length, 1); // each [B, H]
      return Object.fromEntries(names.map((name, i) => [name, states[i]]));
    }
    const nothing = tf.zeros([1, config.hiddenSize]) as tf.Tensor2D; // [1, H], the same for every row
    return this.advance(photo, Object.fromEntries(names.map((name) => [name, nothing]))); // each [B, H]
  }

  /** One word further in every row: tokens [B] int32, state each [B, H] -> logits [B, V] of the next word, new state. */
  step(tokens: tf.Tensor1D, state: DecoderState): { logits: tf.Tensor2D; state: DecoderState } {
    const next = this.advance(this.embed(tokens), state); // each [B, H]
    return { logits: this.score(next[`h${this.config.layers - 1}`]), state: next }; // [B, V], each [B, H]
  }

  /** Logits of all words: h [N, H] -> [N, V]. */
  score(h: tf.Tensor2D): tf.Tensor2D {
    const { 'output/kernel': W, 'output/bias': b } = this.variables; // [H, V], [V]
    return tf.add(tf.matMul(h, W as tf.Tensor2D), b); // [N, V]
  }

  /** Frees the variables. */
  dispose(): void {
    disposeVariables(this.variables);
  }

  /** All layers by one time step: x [B, E] -> new state. */
  private advance(x: tf.Tensor2D, state: DecoderState): DecoderState {
    const next: DecoderState = {};
    for (let layer = 0; layer < this.config.layers; layer++) {
      const before: LayerState = { h: state[`h${layer}`], c: state[`c${layer}`] }; // each [B, H]
      const input = this.contribution(layer, x); // [B, G * H]
      const { h, c } = cells[this.config.cell](input, before, this.recurrence(layer, 1)); // each [B, H]
      next[`h${layer}`] = h;
      if (c) next[`c${layer}`] = c;
      x = h; // [B, H]
    }
    return next;
  }

  /** Word embeddings: tokens [N] int32 -> [N, E]. */
  private embed(tokens: tf.Tensor1D): tf.Tensor2D {
    return tf.gather(this.variables.embedding as tf.Tensor2D, tokens); // [N, E]
  }

  /** The contribution of a layer's input to its gates, x W + b, for all time steps at once: x [N, E or H] -> [N, G * H]. */
  private contribution(layer: number, x: tf.Tensor2D): tf.Tensor2D {
    const name = `${this.config.cell}${layer}`;
    const W = this.variables[`${name}/kernel`] as tf.Tensor2D; // [E or H, G * H]
    return tf.add(tf.matMul(x, W), this.variables[`${name}/bias`]); // [N, G * H]
  }

  /** The same in columns, W^T x^T + b: x [N, E or H] -> [G * H, N]. */
  private contributionColumns(layer: number, x: tf.Tensor2D): tf.Tensor2D {
    const name = `${this.config.cell}${layer}`;
    const W = this.variables[`${name}/kernel`] as tf.Tensor2D; // [E or H, G * H]
    const b = tf.reshape(this.variables[`${name}/bias`], [-1, 1]); // [G * H, 1]
    return tf.add(tf.matMul(W, x, true, true), b); // [G * H, N]
  }

  private recurrence(layer: number, axis: 0 | 1): Recurrence {
    const name = `${this.config.cell}${layer}`;
    const U = this.variables[`${name}/recurrent`] as tf.Tensor2D; // [H, G * H]
    return recurrence(axis, U, this.variables[`${name}/recurrentBias`] as tf.Tensor | undefined);
  }
}

/** Equal parts along an axis. (Of one part, TensorFlow.js does not find the gradient.) */
function split(x: tf.Tensor2D, parts: number, axis: 0 | 1): tf.Tensor2D[] {
  return parts === 1 ? [x] : tf.split(x, parts, axis);
}
