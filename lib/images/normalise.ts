import { CaptionerError } from '../errors.js';

/**
 * Normalises a photo as its encoder was trained: (x / 255 - mean) / std for each channel, channels
 * first.
 *
 * @param rgb RGB bytes, [size, size, 3].
 * @param into receives the Float32 values, [3, size, size] from `offset`.
 */
export function normalise(
  rgb: Uint8Array,
  size: number,
  mean: readonly number[],
  std: readonly number[],
  into: Float32Array,
  offset: number,
): void {
  const pixels = size * size;
  if (rgb.length !== 3 * pixels || into.length < offset + 3 * pixels) {
    throw new CaptionerError('bad-input', `A photo of ${size} x ${size} pixels has ${3 * pixels} RGB bytes.`);
  }
  const table = new Float32Array(256);
  for (let channel = 0; channel < 3; channel++) {
    for (let value = 0; value < 256; value++) table[value] = (value / 255 - mean[channel]) / std[channel];
    let to = offset + channel * pixels;
    for (let from = channel; from < 3 * pixels; from += 3) into[to++] = table[rgb[from]];
  }
}
