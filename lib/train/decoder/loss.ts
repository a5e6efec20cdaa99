import * as tf from '@tensorflow/tfjs-core';

/**
 * Weighted cross-entropy between the decoder's logits and the words that people wrote:
 *
 *     L = sum_n w_n (log sum_v exp z_nv - (1 - s) z_n,target(n) - s mean_v z_nv)
 *
 * where s is the label smoothing (Szegedy et al. 2016): the target has probability 1 - s, and s is spread over all words.
 * With w_n = 1 / (number of words) at words and 0 at padding, L is the mean per word, and exp L (for s = 0) the perplexity.
 *
 * [N, V] arrays are large: the forward pass makes one (the logarithm of the softmax), the backward pass two.
 *
 * @param logits z, [N, V].
 * @param targets [N] int32.
 * @param weights w, [N]. Targets and weights have no gradient.
 */
export function crossEntropy(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
  labelSmoothing = 0,
): tf.Scalar {
  const loss = tf.customGrad((z, save) => {
    const [N, V] = (z as tf.Tensor2D).shape;
    const logs = tf.logSoftmax(z as tf.Tensor2D); // [N, V]
    const places = tf.add(tf.range(0, N * V, V, 'int32'), targets); // [N]  where row n's target is in all of z
    const hit = tf.gather(tf.reshape(logs, [N * V]), places); // [N]
    let each = tf.mul(hit, labelSmoothing - 1); // [N]
    if (labelSmoothing > 0) each = tf.sub(each, tf.mul(tf.mean(logs, 1), labelSmoothing)); // [N]
    (save as (tensors: tf.Tensor[]) => void)([logs, places, weights]);
    return {
      value: tf.sum(tf.mul(each, weights)), // []
      // dL/dz = w (p - (1 - s) one-hot(target) - s / V): only the targets' places of p differ from p, one in each row.
      gradFunc: (dy: tf.Tensor, [logs, places, weights]: tf.Tensor[]) => {
        const p = tf.exp(logs); // [N, V]
        const w = tf.mul(weights, dy); // [N]
        const spread = labelSmoothing > 0 ? tf.sub(p, labelSmoothing / V) : p; // [N, V]
        const slope = tf.reshape(tf.mul(spread, tf.expandDims(w, 1)), [N * V]); // [N * V]
        const atTarget = tf.sub(tf.gather(tf.reshape(spread, [N * V]), places), 1 - labelSmoothing); // [N]
        const places2D = tf.expandDims(places, 1) as tf.Tensor2D; // [N, 1]
        return tf.reshape(tf.tensorScatterUpdate(slope, places2D, tf.mul(atTarget, w)), [N, V]); // [N, V]
      },
    };
  });
  return loss(logits) as tf.Scalar;
}
