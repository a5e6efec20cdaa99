import { expect } from 'chai';
import { quantizeChannels } from '../../lib/files/int8.js';
import { Random } from '../../lib/random.js';

describe('quantizeChannels', () => {
  /** The formula, number by number. */
  const reference = (values: Float32Array, channels: number, inner: number) => {
    const channelOf = (i: number) => Math.floor(i / inner) % channels;
    const scales = new Float32Array(channels).fill(127e-30);
    values.forEach((value, i) => (scales[channelOf(i)] = Math.max(scales[channelOf(i)], Math.abs(value))));
    scales.forEach((greatest, c) => (scales[c] = greatest / 127));
    return { bytes: Int8Array.from(values, (value, i) => Math.round(value / scales[channelOf(i)])), scales };
  };

  it('rounds by the greatest number of each channel, halves upwards', () => {
    const random = new Random(5);
    for (const [outer, channels, inner] of [
      [7, 5, 1],
      [1, 4, 9],
      [3, 2, 4],
      [0, 3, 1],
      [2, 1, 1],
    ]) {
      const values = Float32Array.from({ length: outer * channels * inner }, () => random.normal());
      values.fill(0, 0, inner);
      expect(quantizeChannels(values, channels, inner)).to.deep.equal(reference(values, channels, inner));
    }
    const halves = Float32Array.of(127, 0.5, -0.5, 1.5, -1.5, -127);
    expect([...quantizeChannels(halves, 1, 6).bytes]).to.deep.equal([127, 1, 0, 2, -1, -127]);
  });

  it('keeps a channel with a number that is not one recognisable, and the others as they are', () => {
    const { bytes, scales } = quantizeChannels(Float32Array.of(1, 2, NaN, 4, 3, 8), 2, 1);
    expect([...scales]).to.deep.equal([NaN, Math.fround(8 / 127)]);
    expect([bytes[1], bytes[3], bytes[5]]).to.deep.equal([32, 64, 127]);
  });
});
