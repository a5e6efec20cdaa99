import { expect } from 'chai';
import sharp from 'sharp';
import { jpegFrame } from '../../lib/images/jpeg.js';
import { decodePhoto } from '../../lib/images/photo.js';

const endMarker = Buffer.from([0xff, 0xd9]);
const size = 16;

/** Result of decoding a file: its pixels, or an error message. */
const outcome = (bytes: Uint8Array) =>
  decodePhoto(bytes, size).then(
    (rgb) => Buffer.from(rgb),
    (error: unknown) => (error as Error).message,
  );

/** Mean difference of two photos, in levels of 255. */
const difference = (a: Uint8Array, b: Uint8Array) =>
  a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;

/** A photo with everything between the end of its first segment and the rest. */
const withStray = (jpeg: Buffer, stray: Buffer) => {
  const first = 4 + jpeg.readUInt16BE(4);
  return Buffer.concat([jpeg.subarray(0, first), stray, jpeg.subarray(first)]);
};

describe('the frame header of a JPEG', () => {
  const photo = () => sharp('data/samples/cat.jpg').resize(61, 43, { fit: 'fill' });

  it('has the size, components and kind that sharp finds', async () => {
    const files = await Promise.all([
      photo().jpeg().toBuffer(),
      photo().jpeg({ progressive: true }).toBuffer(),
      photo().greyscale().jpeg().toBuffer(),
      photo().toColourspace('cmyk').jpeg().toBuffer(),
      photo()
        .withExif({ IFD0: { Copyright: 'x'.repeat(1000) } })
        .withIccProfile('p3')
        .jpeg()
        .toBuffer(),
    ]);
    for (const file of files) {
      const { width, height, channels, isProgressive } = await sharp(file).metadata();
      expect(jpegFrame(file)).to.deep.equal({ width, height, channels, isProgressive });
    }
  });

  it('is undefined where a file is cut short or unusual', async () => {
    const file = await photo().jpeg().toBuffer();
    for (const length of [0, 2, 4, 20, 100])
      expect(jpegFrame(file.subarray(0, length)), `${length}`).to.equal(undefined);
    expect(jpegFrame(withStray(file, Buffer.from('stray')))).to.equal(undefined);
    const frame = file.indexOf(Buffer.from([0xff, 0xc0]));
    const twelveBits = Buffer.from(file);
    twelveBits[frame + 4] = 12;
    expect(jpegFrame(twelveBits)).to.equal(undefined);
  });
});

describe('a damaged JPEG', () => {
  const kinds: Record<string, Buffer> = {};
  let photo: Buffer;
  before(async () => {
    const large = () => sharp('data/samples/cat.jpg').resize(960, 720, { fit: 'fill' });
    photo = kinds.baseline = await large().jpeg({ progressive: false }).toBuffer();
    kinds.progressive = await large().jpeg({ progressive: true }).toBuffer();
    kinds['without subsampling'] = await large().jpeg({ progressive: false, chromaSubsampling: '4:4:4' }).toBuffer();
    kinds.grey = await large().greyscale().jpeg({ progressive: false }).toBuffer();
  });

  for (const kind of ['baseline', 'progressive', 'without subsampling', 'grey']) {
    it(`is captioned without its end marker, or half of it: ${kind}`, async () => {
      const whole = await outcome(kinds[kind]);
      for (const missing of [1, 2]) {
        expect(await outcome(kinds[kind].subarray(0, -missing)), `${missing}`).to.deep.equal(whole);
      }
    });

    it(`is refused, or looks as if it were whole, wherever it is cut: ${kind}`, async () => {
      const whole = (await outcome(kinds[kind])) as Buffer;
      const refused: number[] = [];
      for (let percent = 5; percent < 100; percent += 5) {
        const cut = kinds[kind].subarray(0, Math.floor((percent / 100) * kinds[kind].length));
        for (const bytes of [cut, Buffer.concat([cut, endMarker])]) {
          const found = await outcome(bytes);
          if (typeof found === 'string') {
            expect(found).to.match(/damaged or cut short/);
            refused.push(percent);
          } else expect(difference(found, whole), `${percent} %`).to.be.below(2);
        }
      }
      // The last scans of a progressive photo hold details that are hardly seen.
      expect(refused.length).to.be.at.least(kind === 'progressive' ? 20 : 36);
    });
  }

  it('reports the missing share', async () => {
    const half = Buffer.concat([photo.subarray(0, Math.floor(photo.length / 2)), endMarker]);
    const percent = Number(/\((\d+) % of it is missing\)/.exec((await outcome(half)) as string)?.[1]);
    expect(percent).to.be.within(30, 70);
  });

  it('is captioned if only its last block is missing', async () => {
    const cut = photo.subarray(0, -10);
    expect(await outcome(cut)).to.be.instanceOf(Buffer);
    expect(await outcome(Buffer.concat([cut, endMarker]))).to.be.instanceOf(Buffer);
  });

  it('is captioned despite stray bytes: in its header, before its end, after it', async () => {
    const whole = await outcome(photo);
    const stray = Buffer.alloc(2000, 1);
    const files = {
      header: withStray(photo, stray),
      'before its end': Buffer.concat([photo.subarray(0, -2), stray, endMarker]),
      'after it': Buffer.concat([photo, stray]),
    };
    for (const [where, bytes] of Object.entries(files)) expect(await outcome(bytes), where).to.deep.equal(whole);
  });

  it('is refused if stray bytes precede the missing part', async () => {
    const half = photo.subarray(0, Math.floor(photo.length / 2));
    expect(await outcome(Buffer.concat([withStray(half, Buffer.alloc(10)), endMarker]))).to.match(/% of it is missing/);
  });

  it('is refused if only its header is left', async () => {
    const scan = photo.indexOf(Buffer.from([0xff, 0xda]));
    expect(await outcome(Buffer.concat([photo.subarray(0, scan + 14), endMarker]))).to.match(/100 % of it is missing/);
    expect(await outcome(Buffer.concat([photo.subarray(0, scan), endMarker]))).to.match(/damaged or cut short/);
  });

  it('is refused if its data were changed and no longer fit', async () => {
    const hole = Buffer.concat([photo.subarray(0, 20_000), photo.subarray(30_000)]);
    expect(await outcome(hole)).to.match(/damaged or cut short/);
  });

  it('is refused or mended as if it were alone while other photos are decoded, sound and damaged ones', async () => {
    const small = await sharp('data/samples/cat.jpg').resize(32, 24).jpeg().toBuffer();
    const kinds = [small, small.subarray(0, 300), withStray(small, Buffer.alloc(64, 7)), small.subarray(0, -2)];
    const alone: (Buffer | string)[] = [];
    for (const bytes of kinds) alone.push(await outcome(bytes));
    expect(alone.map((found) => typeof found)).to.deep.equal(['object', 'string', 'object', 'object']);
    for (let round = 0; round < 100; round++) {
      const together = await Promise.all([...kinds, Buffer.from('no photo'), ...kinds].map(outcome));
      expect(together.slice(0, 4)).to.deep.equal(alone);
      expect(together.slice(5)).to.deep.equal(alone);
    }
  });
});
