import { expect } from 'chai';
import sharp from 'sharp';
import { decodePhoto } from '../../lib/images/photo.js';
import { squash } from '../../lib/images/squash.js';
import { Random } from '../../lib/random.js';

/** A photo of soft shapes and hard edges, RGBA. */
function drawn(width: number, height: number): Uint8Array {
  const random = new Random(width * height);
  const circles = Array.from({ length: 12 }, () => [random.uniform(), random.uniform(), 0.05 + 0.2 * random.uniform()]);
  const pixels = new Uint8ClampedArray(width * height * 4);
  for (let i = 0; i < width * height; i++) {
    const [x, y] = [(i % width) / width, Math.floor(i / width) / height];
    const inside = circles.filter(([a, b, radius]) => Math.hypot(x - a, y - b) < radius).length;
    pixels.set([60 * inside + 80 * x, 200 * y, 127 + 100 * Math.sin(20 * (x + y)), 255], 4 * i);
  }
  return new Uint8Array(pixels.buffer);
}

describe('squash', () => {
  const sizes = [[224, 224], [640, 427], [96, 96], [80, 60], [1201, 799], [1600, 1200]] as const; // prettier-ignore
  for (const [width, height] of sizes) {
    it(`is close to the result of sharp for ${width} x ${height} pixels`, async () => {
      const data = drawn(width, height);
      const readRows = (first: number, count: number) => data.subarray(first * width * 4, (first + count) * width * 4);
      const ours = squash({ width, height, readRows }, 96);
      const theirs = await decodePhoto(
        await sharp(data, { raw: { width, height, channels: 4 } })
          .png()
          .toBuffer(),
        96,
      );
      const differences = ours.map((value, i) => Math.abs(value - theirs[i]));
      expect(differences.reduce((sum, x) => sum + x, 0) / ours.length, 'mean difference').to.be.lessThan(1);
    });
  }
});
