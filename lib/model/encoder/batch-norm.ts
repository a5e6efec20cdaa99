import * as tf from '@tensorflow/tfjs-core';

/** The results of batch normalisation in training. */
export interface BatchNorm {
  /** Normalised, scaled and shifted: [N, C, H, W]. */
  readonly y: tf.Tensor4D;
  /** The batch's mean of each channel: [C]. */
  readonly mean: tf.Tensor1D;
  /** The batch's variance of each channel (the mean square of the difference from the mean): [C]. */
  readonly variance: tf.Tensor1D;
}

/** All axes but the channels. */
const images = [0, 2, 3];

/**
 * Batch normalisation in training (Ioffe and Szegedy 2015, algorithm 1), of images with channels first:
 *
 *     y = gamma (x - mean) / sqrt(variance + epsilon) + beta
 *
 * `y` has gradients for `x`, `gamma` and `beta`; the statistics, which a running average takes in, have none. The gradient is
 * written in closed form: then forward and backward each are one number a channel, times x or dy, and sums of those. The
 * variance is the mean square less the square of the mean, as exact as float32 where the mean is no more than about ten standard deviations.
 *
 * @param x [N, C, H, W].
 * @param gamma [C].
 * @param beta [C].
 * @param epsilon keeps the division finite.
 */
export function batchNormTraining(x: tf.Tensor4D, gamma: tf.Tensor1D, beta: tf.Tensor1D, epsilon = 1e-5): BatchNorm {
  const [N, C, H, W] = x.shape;
  const count = N * H * W;
  const perChannel = (values: tf.Tensor): tf.Tensor4D => tf.reshape(values, [1, C, 1, 1]);
  const mean = tf.mean<tf.Tensor1D>(x, images); // [C]
  const squares = tf.div(channelSums(x, x), count); // [C]
  const variance = tf.relu(tf.sub<tf.Tensor1D>(squares, tf.square(mean))); // [C]
  const deviation = tf.rsqrt(tf.add(variance, epsilon)); // 1 / sqrt(variance + epsilon), [C]

  const normalize = tf.customGrad((...inputs) => {
    const [given, scale, shift, save] = inputs as unknown as [
      tf.Tensor4D,
      tf.Tensor1D,
      tf.Tensor1D,
      (t: tf.Tensor[]) => void,
    ];
    const factor = tf.mul(scale, deviation); // [C]
    const offset = tf.sub(shift, tf.mul(mean, factor)); // [C]
    save([given, factor, mean, deviation]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) => {
      const [input, a, center, r] = saved;
      const dBeta = tf.sum(dy, images); // [C]
      // sum of dy times the normalised x
      const dGamma = tf.mul(r, tf.sub(channelSums(dy as tf.Tensor4D, input as tf.Tensor4D), tf.mul(center, dBeta)));
      // dx = a (dy - dBeta / m - normalised x * dGamma / m) = a dy + b x + c
      const b = tf.neg(tf.mul(tf.mul(a, r), tf.div(dGamma, count)));
      const c = tf.neg(tf.add(tf.mul(a, tf.div(dBeta, count)), tf.mul(b, center)));
      const dx = tf.add(tf.add(tf.mul(input, perChannel(b)), perChannel(c)), tf.mul(dy, perChannel(a)));
      return [dx, dGamma, dBeta];
    };
    return { value: tf.add(tf.mul(given, perChannel(factor)), perChannel(offset)), gradFunc };
  });
  return { y: normalize(x, gamma, beta) as tf.Tensor4D, mean, variance };
}

/** For each channel the sum of the products of two tensors' numbers. */
function channelSums(a: tf.Tensor4D, b: tf.Tensor4D): tf.Tensor1D {
  return tf.sum(tf.mul(a, b), images);
}
