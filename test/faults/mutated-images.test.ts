import { expect } from 'chai';
import fs from 'node:fs';
import path from 'node:path';
import sharp from 'sharp';
import type { CaptionerError } from '../../lib/errors.js';
import { decodePhoto } from '../../lib/images/photo.js';
import { Random } from '../../lib/random.js';

const size = 48;
/** No photo of this size may take longer, whatever was done to it. */
const patience = 20_000;

/** Every format that is read, in the colour spaces and forms that are rarer than they should be. */
async function seeds(): Promise<[name: string, bytes: Buffer][]> {
  const samples = path.resolve('data/samples');
  const photos = fs.readdirSync(samples).filter((name) => name.endsWith('.jpg'));
  const small = (name: string) => sharp(path.join(samples, name)).resize(96, 72, { fit: 'fill' });
  const animation = await sharp({ create: { width: 40, height: 90, channels: 3, background: 'red' } })
    .raw()
    .toBuffer();
  const frames = () => sharp(animation, { raw: { width: 40, height: 90, channels: 3, pageHeight: 30 } });
  const made: [string, Promise<Buffer>][] = [
    ['progressive.jpg', small('cat.jpg').jpeg({ progressive: true }).toBuffer()],
    ['cmyk.jpg', small('coffee.jpg').toColourspace('cmyk').jpeg().toBuffer()],
    ['grey.jpg', small('raccoon.jpg').greyscale().jpeg().toBuffer()],
    ['turned.jpg', small('stairs.jpg').withMetadata({ orientation: 6 }).jpeg().toBuffer()],
    ['rgba.png', small('cat.jpg').ensureAlpha(0.5).png().toBuffer()],
    ['sixteen.png', small('coffee.jpg').toColourspace('rgb16').png().toBuffer()],
    ['palette.png', small('rocket.jpg').png({ palette: true, colours: 16 }).toBuffer()],
    ['interlaced.png', small('rocket.jpg').png({ progressive: true }).toBuffer()],
    ['lossy.webp', small('officer.jpg').webp().toBuffer()],
    ['lossless.webp', small('officer.jpg').webp({ lossless: true }).toBuffer()],
    ['animated.webp', frames().webp().toBuffer()],
    ['animated.gif', frames().gif().toBuffer()],
    ['photo.gif', small('astronaut.jpg').gif().toBuffer()],
    ['lzw.tiff', small('cat.jpg').tiff({ compression: 'lzw' }).toBuffer()],
    ['jpeg.tiff', small('cat.jpg').tiff({ compression: 'jpeg' }).toBuffer()],
    ['photo.avif', small('stairs.jpg').avif({ effort: 0 }).toBuffer()],
    ['photo.heic', Promise.resolve(fs.readFileSync('test/fixtures/photos/four-colours.heic'))],
    ...photos.map((name): [string, Promise<Buffer>] => [name, small(name).jpeg({ quality: 70 }).toBuffer()]),
  ];
  return await Promise.all(made.map(async ([name, bytes]): Promise<[string, Buffer]> => [name, await bytes]));
}

/** Damage to a file: bits and bytes changed, removed or doubled, huge lengths, two files mixed. */
function mutate(original: Buffer, other: Buffer, random: Random): Buffer {
  const bytes = Buffer.from(original);
  const at = () => random.integer(bytes.length);
  // The first bytes hold what a decoder believes: sizes, tables, offsets.
  const early = () => random.integer(Math.min(bytes.length, 200));
  switch (random.integer(8)) {
    case 0:
      return bytes.subarray(0, at());
    case 1:
      for (let i = 1 + random.integer(8); i > 0; i--) bytes[at()] ^= 1 << random.integer(8);
      return bytes;
    case 2:
      for (let i = 1 + random.integer(4); i > 0; i--) bytes[early()] = random.integer(256);
      return bytes;
    case 3: {
      const place = early();
      bytes.fill(random.integer(2) ? 0xff : 0, place, Math.min(bytes.length, place + 1 + random.integer(4)));
      return bytes;
    }
    case 4: {
      const [from, length] = [at(), random.integer(400)];
      return Buffer.concat([bytes.subarray(0, from), bytes.subarray(from + length)]);
    }
    case 5: {
      const [from, length] = [at(), random.integer(400)];
      return Buffer.concat([bytes.subarray(0, from + length), bytes.subarray(from)]);
    }
    case 6:
      return Buffer.concat([bytes.subarray(0, at()), other.subarray(random.integer(other.length))]);
    default: {
      const [from, length] = [at(), random.integer(300)];
      for (let i = from; i < Math.min(bytes.length, from + length); i++) bytes[i] = random.integer(256);
      return bytes;
    }
  }
}

describe('5,000 mutated photos', function () {
  this.timeout(600_000).slow(120_000);

  it('become photos or errors in words, and none crashes or hangs', async () => {
    const originals = await seeds();
    for (const [name, bytes] of originals) expect(await decodePhoto(bytes, size), name).to.have.length(3 * size * size);
    const random = new Random(2015);
    const counts = { photos: 0, errors: 0 };
    const outcomes = new Map<string, Set<string>>();
    const decode = async (name: string, bytes: Buffer, round: number) => {
      let timer: NodeJS.Timeout;
      const hang = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`round ${round}, ${name}: no end after ${patience} ms`)), patience);
      });
      try {
        const rgb = await Promise.race([decodePhoto(bytes, size), hang]);
        expect(rgb, `round ${round}, ${name}`).to.have.length(3 * size * size);
        counts.photos++;
        outcomes.set(name, (outcomes.get(name) ?? new Set()).add('photo'));
      } catch (error) {
        expect(error, `round ${round}, ${name}: ${String(error)}`).to.have.property('name', 'CaptionerError');
        expect((error as CaptionerError).code).to.equal('bad-image');
        expect((error as CaptionerError).message).to.match(/^The file (is|has) [^\n]+\.$/);
        counts.errors++;
        outcomes.set(name, (outcomes.get(name) ?? new Set()).add('error'));
      } finally {
        clearTimeout(timer!);
      }
    };
    for (let round = 0; round < 5000; round += 20) {
      const batch = Array.from({ length: 20 }, (_, i) => {
        const [name, bytes] = originals[random.integer(originals.length)];
        const [, other] = originals[random.integer(originals.length)];
        return decode(name, mutate(bytes, other, random), round + i);
      });
      await Promise.all(batch);
    }
    expect(counts.photos + counts.errors).to.equal(5000);
    // Both happen, for every kind of file: the mutations neither miss nor always kill.
    expect(counts.photos).to.be.above(500);
    expect(counts.errors).to.be.above(1500);
    for (const [name, seen] of outcomes) expect(seen.size, name).to.be.at.least(name.endsWith('.avif') ? 1 : 2);
  });
});
