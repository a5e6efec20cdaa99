import type { DecoderConfig } from '../../config.js';
import type { Random } from '../../random.js';

/** Groups of four bytes that are drawn at a time: as many as stay in the processor's first cache. */
const groupsAtOnce = 1024;

/**
 * Fills a dropout mask (Srivastava et al. 2014): 0 with probability `rate`, else 1 / (1 - rate), so that its mean stays 1. Rates are
 * multiples of 1/256: each random number gives four, and a mask of 800,000 takes a millisecond.
 */
export function fillDropoutMask(mask: Float32Array, rate: number, random: Random): Float32Array {
  const dropped = Math.round(256 * rate);
  const values = new Float32Array(256).fill(256 / (256 - dropped), dropped); // by the value of a random byte
  const drawn = new Int32Array(groupsAtOnce);
  let i = 0;
  for (let left = mask.length >> 2; left > 0; left -= groupsAtOnce) {
    const block = random.fill(left < groupsAtOnce ? drawn.subarray(0, left) : drawn);
    for (let n = 0; n < block.length; n++, i += 4) {
      const bits = block[n];
      mask[i] = values[bits & 255];
      mask[i + 1] = values[(bits >>> 8) & 255];
      mask[i + 2] = values[(bits >>> 16) & 255];
      mask[i + 3] = values[bits >>> 24];
    }
  }
  if (i < mask.length) {
    for (let bits = random.uint32(); i < mask.length; i++, bits >>>= 8) mask[i] = values[bits & 255];
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
