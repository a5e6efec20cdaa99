import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp, { type Sharp } from 'sharp';
import type { CaptionerError } from '../../lib/errors.js';
import { photoFormat } from '../../lib/images/format.js';
import { decodePhoto, normalise } from '../../lib/images/photo.js';
import { Random } from '../../lib/random.js';

const plain = (channels: 3 | 4 = 3, alpha = 1): Sharp =>
  sharp({ create: { width: 20, height: 10, channels, background: { r: 200, g: 100, b: 50, alpha } } });

/** A photo of noise, which compresses badly, so that a cut goes through its pixels. */
function noise(width: number, height: number): Sharp {
  const random = new Random(5);
  const pixels = Uint8Array.from({ length: 3 * width * height }, () => random.integer(256));
  return sharp(pixels, { raw: { width, height, channels: 3 } });
}

async function failure(source: string | Uint8Array, limits?: { maxPixels: number }): Promise<CaptionerError> {
  return await decodePhoto(source, 8, limits).then(
    () => expect.fail('it was decoded'),
    (error: unknown) => error as CaptionerError,
  );
}

/** Colour of the first and the last pixel. */
const ends = (rgb: Uint8Array) => [[...rgb.subarray(0, 3)], [...rgb.subarray(-3)]];

function expectColour(rgb: Uint8Array, colour: readonly number[], tolerance = 2): void {
  expect(rgb).to.have.length(8 * 8 * 3);
  for (let i = 0; i < rgb.length; i++) expect(rgb[i], `byte ${i}`).to.be.closeTo(colour[i % 3], tolerance);
}

describe('decodePhoto', () => {
  const orange = [200, 100, 50];
  const grey = [128, 128, 128];
  const files: Record<string, [() => Promise<Buffer>, readonly number[], number?]> = {
    JPEG: [() => plain().jpeg({ quality: 100 }).toBuffer(), orange],
    'progressive JPEG': [() => plain().jpeg({ quality: 100, progressive: true }).toBuffer(), orange],
    PNG: [() => plain().png().toBuffer(), orange],
    'PNG with a palette': [() => plain().png({ palette: true }).toBuffer(), orange],
    WebP: [() => plain().webp({ lossless: true }).toBuffer(), orange],
    GIF: [() => plain().gif().toBuffer(), orange],
    TIFF: [() => plain().tiff().toBuffer(), orange],
    AVIF: [() => plain().avif({ lossless: true }).toBuffer(), orange],
    'grey JPEG': [() => plain().toColourspace('b-w').jpeg().toBuffer(), grey, 12],
    'CMYK JPEG': [() => plain().toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(), orange, 32],
    'CMYK TIFF': [() => plain().toColourspace('cmyk').tiff().toBuffer(), orange, 32],
    '16-bit PNG': [() => plain().toColourspace('rgb16').png().toBuffer(), orange],
    'grey 16-bit PNG': [() => plain().toColourspace('grey16').png().toBuffer(), grey, 12],
    'grey 16-bit TIFF': [() => plain().toColourspace('grey16').tiff().toBuffer(), grey, 12],
    'transparent PNG, on white': [() => plain(4, 0).png().toBuffer(), [255, 255, 255]],
    'half transparent PNG, on white': [() => plain(4, 0.5).png().toBuffer(), [227, 177, 152]],
    'half transparent 16-bit PNG': [() => plain(4, 0.5).toColourspace('rgb16').png().toBuffer(), [227, 177, 152]],
    'half transparent WebP': [() => plain(4, 0.5).webp({ lossless: true }).toBuffer(), [227, 177, 152]],
  };
  for (const [kind, [make, colour, tolerance]] of Object.entries(files)) {
    it(`makes RGB of a ${kind}`, async () => {
      expectColour(await decodePhoto(await make(), 8), colour, tolerance);
    });
  }

  it('squashes to the square, nothing is cut away', async () => {
    // Red on the left, blue on the right, four times as wide as high.
    const red = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const wide = await sharp({ create: { width: 80, height: 20, channels: 3, background: 'blue' } })
      .composite([{ input: red, left: 0, top: 0 }])
      .png()
      .toBuffer();
    const rgb = await decodePhoto(wide, 8);
    for (let y = 0; y < 8; y++) {
      expect([...rgb.subarray(24 * y, 24 * y + 3)]).to.deep.equal([255, 0, 0]);
      expect([...rgb.subarray(24 * y + 21, 24 * y + 24)]).to.deep.equal([0, 0, 255]);
    }
  });

  it('leaves a photo of the right size unchanged', async () => {
    const rgb = await decodePhoto(await noise(32, 32).png().toBuffer(), 32);
    expect(Buffer.from(rgb).equals(await noise(32, 32).raw().toBuffer())).to.be.true;
  });

  it('applies the EXIF orientation', async () => {
    const red = await sharp({ create: { width: 40, height: 20, channels: 3, background: 'red' } })
      .png()
      .toBuffer();
    const leftRed = await sharp({ create: { width: 80, height: 20, channels: 3, background: 'blue' } })
      .composite([{ input: red, left: 0, top: 0 }])
      .jpeg({ quality: 100 })
      .toBuffer();
    const isRed = ([r, , b]: number[]) => r > 150 && b < 100;
    const upright = ends(await decodePhoto(leftRed, 8));
    expect(upright.map(isRed)).to.deep.equal([true, false]);
    // 3: upside down. 6: to be turned clockwise, so that what was left is at the top.
    const turned = async (orientation: number) =>
      decodePhoto(await sharp(leftRed).withMetadata({ orientation }).jpeg({ quality: 100 }).toBuffer(), 8);
    expect(ends(await turned(3)).map(isRed)).to.deep.equal([false, true]);
    const rgb = await turned(6);
    const corner = (x: number, y: number) => isRed([...rgb.subarray(3 * (8 * y + x), 3 * (8 * y + x) + 3)]);
    expect([corner(0, 0), corner(7, 0), corner(0, 7), corner(7, 7)]).to.deep.equal([true, true, false, false]);
  });

  it('reads the first frame of an animation', async () => {
    const frame = (background: string) =>
      sharp({ create: { width: 20, height: 10, channels: 3, background } })
        .png()
        .toBuffer();
    const gif = await sharp([await frame('#ff0000'), await frame('#0000ff')], { join: { animated: true } })
      .gif()
      .toBuffer();
    expect((await sharp(gif).metadata()).pages).to.equal(2);
    expectColour(await decodePhoto(gif, 8), [255, 0, 0], 4);
  });

  it('reads over extra bytes after the photo', async () => {
    const jpeg = await plain().jpeg({ quality: 100 }).toBuffer();
    expectColour(await decodePhoto(Buffer.concat([jpeg, Buffer.alloc(100, 7)]), 8), orange);
  });

  for (const [kind, make, cut] of [
    ['JPEG', () => noise(200, 150).jpeg(), 0.5],
    ['JPEG, near its end', () => noise(200, 150).jpeg(), 0.99],
    ['PNG', () => noise(200, 150).png(), 0.9],
    ['WebP', () => noise(200, 150).webp(), 0.5],
    ['GIF', () => noise(200, 150).gif(), 0.5],
    ['TIFF', () => noise(200, 150).tiff(), 0.5],
    ['AVIF', () => noise(200, 150).avif(), 0.5],
  ] as const) {
    it(`refuses a ${kind} that is cut short`, async () => {
      const bytes = await make().toBuffer();
      const error = await failure(bytes.subarray(0, Math.floor(cut * bytes.length)));
      expect(error).to.include({ name: 'CaptionerError', code: 'bad-image' });
      expect(error.message).to.match(/damaged or cut short|not a photo/);
    });
  }

  it('refuses other files, and says why', async () => {
    const svg = '<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"><rect width="5" height="5"/></svg>';
    for (const text of ['just text', svg, '%PDF-1.7', '\xff\xd8']) {
      expect(await failure(Buffer.from(text, 'latin1'))).to.include({ code: 'bad-image' });
    }
    expect((await failure(new Uint8Array(0))).message).to.contain('is empty');
    expect((await failure(Buffer.from('text'))).message).to.contain('JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC or BMP');
  });

  it('refuses a decompression bomb before decoding it', async () => {
    const bomb = await sharp({ create: { width: 13000, height: 13000, channels: 3, background: 'white' } })
      .png({ compressionLevel: 9 })
      .toBuffer();
    expect(bomb.length).to.be.below(2 ** 20);
    const error = await failure(bomb);
    expect(error.code).to.equal('bad-image');
    expect(error.message).to.contain('too many pixels').and.contain('134,217,728');
    expect(await failure(await plain().png().toBuffer(), { maxPixels: 199 })).to.include({ code: 'bad-image' });
    expectColour(await decodePhoto(await plain().png().toBuffer(), 8, { maxPixels: 200 }), orange);
  });

  describe('from a file', () => {
    let folder: string;
    before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
    after(() => fs.rmSync(folder, { recursive: true }));

    it('recognises the content, not the name', async () => {
      const file = path.join(folder, 'holiday [1]*.txt');
      fs.writeFileSync(file, await plain().png().toBuffer());
      expectColour(await decodePhoto(file, 8), orange);
    });

    it('names the file in its errors', async () => {
      const missing = path.join(folder, 'missing.jpg');
      const empty = path.join(folder, 'empty.jpg');
      fs.writeFileSync(empty, '');
      const [one, two, three] = [await failure(missing), await failure(empty), await failure(folder)];
      expect(one.code).to.equal('not-found');
      expect(one.message).to.contain(missing);
      expect(two.code).to.equal('bad-image');
      expect(two.message).to.equal(`${empty} is empty.`);
      expect(three.code).to.equal('bad-image');
      expect(three.message).to.contain('is a folder');
    });
  });
});

describe('normalise', () => {
  it('gives (x / 255 - mean) / std, channels first', () => {
    const rgb = Uint8Array.from({ length: 12 }, (_, i) => 20 * i); // [2, 2, 3]
    const into = new Float32Array(14).fill(7);
    const [mean, std] = [
      [0.1, 0.2, 0.3],
      [1, 2, 4],
    ];
    normalise(rgb, 2, mean, std, into, 1);
    expect([into[0], into[13]]).to.deep.equal([7, 7]);
    for (let channel = 0; channel < 3; channel++) {
      for (let pixel = 0; pixel < 4; pixel++) {
        const expected = (rgb[3 * pixel + channel] / 255 - mean[channel]) / std[channel];
        expect(into[1 + 4 * channel + pixel]).to.be.closeTo(expected, 1e-6);
      }
    }
  });

  it('refuses a photo of another size', () => {
    const call = () => normalise(new Uint8Array(27), 2, [0, 0, 0], [1, 1, 1], new Float32Array(12), 0);
    expect(call).to.throw('2 x 2');
  });
});

describe('photoFormat', () => {
  it('recognises photos by their first bytes', async () => {
    const made = {
      jpeg: await plain().jpeg().toBuffer(),
      png: await plain().png().toBuffer(),
      webp: await plain().webp().toBuffer(),
      gif: await plain().gif().toBuffer(),
      tiff: await plain().tiff().toBuffer(),
      avif: await plain().avif().toBuffer(),
    };
    for (const [format, bytes] of Object.entries(made)) expect(photoFormat(bytes)).to.equal(format);
    expect(photoFormat(Buffer.from('\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'latin1'))).to.equal('heic');
    for (const other of [Buffer.from('BM'), Buffer.from('RIFF\0\0\0\0WAVE'), Buffer.alloc(64)]) {
      expect(photoFormat(other)).to.equal(undefined);
    }
  });
});
