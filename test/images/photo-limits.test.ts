import { expect } from 'chai';
import sharp from 'sharp';
import { CaptionerError } from '../../lib/errors.js';
import { Budget, countedPixels } from '../../lib/images/photo-limits.js';
import { decodePhoto } from '../../lib/images/photo.js';
import { Random } from '../../lib/random.js';

/** 200 pixels. */
const plain = (channels: 3 | 4 = 3) => sharp({ create: { width: 20, height: 10, channels, background: '#c86432' } });

async function message(photo: Buffer, limits: Parameters<typeof decodePhoto>[2]): Promise<string> {
  const error: unknown = await decodePhoto(photo, 8, limits).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error === undefined) return 'decoded';
  expect(error).to.be.instanceOf(CaptionerError);
  return `${(error as CaptionerError).code}: ${(error as CaptionerError).message}`;
}

describe('the limits on photos', () => {
  const rows = {
    'a JPEG': () => plain().jpeg().toBuffer(),
    'a PNG': () => plain().png().toBuffer(),
  };
  for (const [what, make] of Object.entries(rows)) {
    it(`let ${what} be larger, which is read row by row`, async () => {
      expect(await message(await make(), { maxBufferedPixels: 199 })).to.equal('decoded');
      expect(await message(await make(), { maxPixels: 199 })).to.match(/bad-image: .* the limit is 199\.$/);
    });
  }

  const whole = {
    'a progressive JPEG': () => plain().jpeg({ progressive: true }).toBuffer(),
    'an interlaced PNG': () => plain().png({ progressive: true }).toBuffer(),
    'a rotated JPEG': () => plain().jpeg().withMetadata({ orientation: 6 }).toBuffer(),
    'a photo in AVIF': () => plain().avif().toBuffer(),
    'a photo in WebP': () => plain().webp().toBuffer(),
    'a photo in GIF': () => plain().gif().toBuffer(),
    'a photo in TIFF': () => plain().tiff().toBuffer(),
  };
  for (const [what, make] of Object.entries(whole)) {
    it(`are lower for ${what}, which is in memory as a whole`, async () => {
      const photo = await make();
      expect(await message(photo, { maxBufferedPixels: 200 })).to.equal('decoded');
      expect(await message(photo, { maxBufferedPixels: 199 })).to.match(new RegExp(`the limit is 199 for ${what}\\.$`));
    });
  }

  it('count a pixel of 16 bits as two, and refuse too many channels', async () => {
    const deep = await plain().toColourspace('rgb16').png().toBuffer();
    expect(await message(deep, { maxPixels: 400 })).to.equal('decoded');
    expect(await message(deep, { maxPixels: 399 })).to.match(/too many pixels/);
    const header = { width: 20, height: 10, depth: 'uchar', format: 'tiff', isProgressive: false } as const;
    expect(countedPixels({ ...header, channels: 5 }, 'It')).to.equal(200);
    expect(() => countedPixels({ ...header, channels: 7 }, 'It')).to.throw(
      CaptionerError,
      'It has 7 channels; at most 5 are supported.',
    );
  });

  it('include the time', async () => {
    const photo = await plain().png().toBuffer();
    expect(await message(photo, { deadline: performance.now() - 1 })).to.match(/^timeout: The file takes too long/);
    expect(await message(photo, { deadline: performance.now() + 1e6 })).to.equal('decoded');
  });
});

describe('Budget', () => {
  it('never holds more than its limit, admits tasks in order, and runs a larger task alone', async () => {
    const random = new Random(3);
    for (let round = 0; round < 50; round++) {
      const limit = 1 + random.integer(20);
      const budget = new Budget(limit);
      const started: number[] = [];
      let held = 0;
      let running = 0;
      const sizes = Array.from({ length: 30 }, () => random.integer(30));
      const results = await Promise.allSettled(
        sizes.map((size, i) =>
          budget.run(size, async () => {
            started.push(i);
            held += Math.min(size, limit);
            running++;
            expect(held).to.be.at.most(limit);
            if (size > limit) expect(held).to.equal(limit);
            for (let turns = random.integer(4); turns > 0; turns--) await Promise.resolve();
            held -= Math.min(size, limit);
            running--;
            if (i % 7 === 0) throw new Error('It failed.');
            return i;
          }),
        ),
      );
      expect(started).to.deep.equal(sizes.map((_, i) => i));
      expect(running).to.equal(0);
      expect(results.map(({ status }) => status)).to.deep.equal(
        sizes.map((_, i) => (i % 7 === 0 ? 'rejected' : 'fulfilled')),
      );
    }
  });
});
