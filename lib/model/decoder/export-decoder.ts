import * as tf from '@tensorflow/tfjs-core';
import { exportGraph } from '../../backend/index.js';
import { nextOf } from '../../onnx/recurrence.js';
import { graphFiles } from '../checkpoint/checkpoint.js';
import type { Decoder, DecoderState } from './decoder.js';
import { stateNames } from '../parameters.js';

/**
 * Writes a decoder as two ONNX files without weights, so that captioning needs no TensorFlow.js. Both fit any number of rows B.
 *
 * - start: `features` [B, D] -> the state, `h0`, `c0`, … [B, H] each.
 * - step: `tokens` [B] int32 and the state -> `logProbabilities` [B, V] of the next word and the new state, `next/h0`, ….
 *
 * The weights are inputs of the files by the names of the decoder's variables: see `fillWeights`. Needs the 'onnx' backend.
 */
export function exportDecoder(decoder: Decoder): Map<string, Uint8Array> {
  const { config, sizes, variables } = decoder;
  const states = stateNames(config);
  const start = exportGraph(
    ({ features }) => decoder.initialState(features as tf.Tensor2D),
    (batch) => ({ features: tf.zeros([batch, sizes.featureSize]) }),
    variables,
  );
  const step = exportGraph(
    ({ tokens, ...state }) => {
      const next = decoder.step(tokens as tf.Tensor1D, state as DecoderState);
      const logProbabilities = tf.log(tf.softmax(next.logits)); // [B, V]
      const renamed = Object.entries(next.state).map(([name, value]): [string, tf.Tensor] => [nextOf(name), value]);
      return { logProbabilities, ...Object.fromEntries(renamed) };
    },
    (batch) => ({
      tokens: tf.zeros([batch], 'int32'),
      ...Object.fromEntries(states.map((name) => [name, tf.zeros([batch, config.hiddenSize])])),
    }),
    variables,
  );
  return new Map([
    [graphFiles.start, start.model],
    [graphFiles.step, step.model],
  ]);
}
