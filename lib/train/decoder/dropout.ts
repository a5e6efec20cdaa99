import type { DecoderConfig } from '../../config.js';
import type { Random } from '../../random.js';

/**
 * Fills a dropout mask (Srivastava et al. 2014): 0 with probability `rate`, else 1 / (1 - rate), so that its mean stays 1. Rates are
 * multiples of 1/256: each random number gives four, and a mask of 800,000 takes a few milliseconds.
 */
export function fillDropoutMask(mask: Float32Array, rate: number, random: Random): Float32Array {
  const dropped = Math.round(256 * rate);
  const values = new Float32Array(256).fill(256 / (256 - dropped), dropped); // by the value of a random byte
  for (let i = 0; i < mask.length; i += 4) {
    const bits = random.uint32();
    mask[i] = values[bits & 255];
    mask[i + 1] = values[(bits >>> 8) & 255]; // past the end, writing does nothing
    mask[i + 2] = values[(bits >>> 16) & 255];
    mask[i + 3] = values[bits >>> 24];
  }
  return mask;
}

/** Rates and shapes of the masks that a step of B captions of T words needs; none where a rate is 0. */
export function maskShapes(
  config: DecoderConfig,
  featureSize: number,
  T: number,
  B: number,
): Record<string, { rate: number; shape: [number, number] }> {
  const { featureDropout, inputDropout, betweenDropout, outputDropout, embeddingSize, hiddenSize, layers } = config;
  const masks: [string, number, [number, number]][] = [
    ['mask/features', featureDropout, [B, featureSize]],
    ['mask/input', inputDropout, [T * B, embeddingSize]],
    ...Array.from({ length: layers - 1 }, (_, l): [string, number, [number, number]] => [
      `mask/between${l}`,
      betweenDropout,
      [T * B, hiddenSize],
    ]),
    ['mask/output', outputDropout, [T * B, hiddenSize]],
  ];
  return Object.fromEntries(masks.filter(([, rate]) => rate > 0).map(([name, rate, shape]) => [name, { rate, shape }]));
}
