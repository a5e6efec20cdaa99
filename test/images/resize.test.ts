import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { decodePhoto } from '../../lib/images/photo.js';
import { canResize, resizeRgb, type ImagePart, type RgbImage } from '../../lib/images/resize.js';
import { drawView, pixelsOf, wholePhoto } from '../../lib/images/view.js';
import { Random } from '../../lib/random.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
const samples = path.join(root, 'data', 'samples');

function noise(width: number, height: number): RgbImage {
  const random = new Random(width, height);
  const data = new Uint8Array(3 * width * height);
  for (let i = 0; i < data.length; i++) data[i] = random.integer(256);
  return { data, width, height };
}

async function bySharp({ data, width, height }: RgbImage, size: number, part?: ImagePart): Promise<Uint8Array> {
  const photo = sharp(data, { raw: { width, height, channels: 3 } });
  if (part) photo.extract(part);
  return new Uint8Array(await photo.resize(size, size, { fit: 'fill' }).raw().toBuffer());
}

/** The greatest difference of two lists of bytes, and the share of bytes that differ by more than 1. */
function difference(a: Uint8Array, b: Uint8Array): { most: number; share: number } {
  expect(a.length).to.equal(b.length);
  let [most, far] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const apart = Math.abs(a[i] - b[i]);
    if (apart > most) most = apart;
    if (apart > 1) far++;
  }
  return { most, share: far / a.length };
}

const drawnSizes = () => {
  const random = new Random(1);
  return Array.from({ length: 20 }, () => {
    const size = 1 + random.integer(230);
    return [1 + random.integer(4 * size - 1), 1 + random.integer(4 * size - 1), size] as const;
  });
};

describe('resizeRgb', () => {
  const sizes = [
    [224, 224, 192], [300, 200, 192], [200, 300, 192], [288, 288, 192], [193, 383, 192], // reduced
    [176, 176, 192], [235, 176, 192], [176, 235, 192], [192, 176, 192], [5, 3, 16], // enlarged on one side or both
    [1, 1, 8], [1, 30, 8], [30, 1, 8], [3, 1, 1], [192, 192, 192], [766, 700, 192], // the extremes
  ] as const; // prettier-ignore

  it('gives exactly what sharp gives for random pixels', async () => {
    for (const [width, height, size] of [...sizes, ...drawnSizes()]) {
      const image = noise(width, height);
      const { most, share } = difference(resizeRgb(image, size), await bySharp(image, size));
      // Where libvips reduces one side and enlarges the other, it adds up positions within tiles.
      const isMixed = Math.min(width, height) < size && Math.max(width, height) > size;
      expect(most, `${width} x ${height} to ${size}`).to.be.at.most(isMixed ? 8 : 0);
      expect(share, `${width} x ${height} to ${size}`).to.be.lessThan(0.1);
    }
  });

  it('leaves one colour as it is', () => {
    for (const [width, height, size] of [...sizes, ...drawnSizes()]) {
      const random = new Random(width, height, size);
      const colour = [random.integer(256), random.integer(256), random.integer(256)];
      const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => colour[i % 3]);
      const square = resizeRgb({ data, width, height }, size);
      const { most } = difference(
        square,
        Uint8Array.from(square, (_, i) => colour[i % 3]),
      );
      expect(most, `${width} x ${height} to ${size}`).to.be.at.most(1);
    }
  });

  it('takes a part of an image', async () => {
    const image = noise(200, 160);
    for (const part of [
      { left: 0, top: 0, width: 200, height: 80 },
      { left: 3, top: 5, width: 120, height: 150 },
      { left: 199, top: 159, width: 1, height: 1 },
    ]) {
      expect(difference(resizeRgb(image, 96, part), await bySharp(image, 96, part)).most).to.equal(0);
    }
  });

  it('does not take an image that sharp reduces by means of pixels', () => {
    expect(canResize({ width: 383, height: 20 }, 96)).to.equal(true);
    expect(canResize({ width: 384, height: 20 }, 96)).to.equal(false);
  });
});

describe('decodePhoto beside sharp', () => {
  const mirror = process.env.CAPTIONER_MIRROR ?? '';
  const folders: Record<string, string> = {
    'the samples': samples,
    'photos of Flickr8k, of 224 x 224 pixels': path.join(mirror, 'data', 'flickr8k', 'images'),
    'photos whose shorter side has 176 pixels': path.join(mirror, 'data', 'pool', 'photos'),
  };
  for (const [what, folder] of Object.entries(folders)) {
    it(`gives the same squares and views of ${what}, but for a few roundings`, async function () {
      if (!existsSync(folder)) {
        console.log(`    NOT CHECKED: ${what}, which need CAPTIONER_MIRROR with ${path.relative(mirror, folder)}`);
        return this.skip();
      }
      this.timeout(60_000);
      const all = readdirSync(folder)
        .filter((name) => /\.jpe?g$/.test(name))
        .sort();
      const files = all.filter((_, i) => i % Math.ceil(all.length / 8) === 0).map((name) => path.join(folder, name));
      const random = new Random(2);
      for (const file of files) {
        const view = drawView(random, { minArea: 0.2, maxStretch: 4 / 3, mirror: true, colour: 0 });
        for (const given of [undefined, view]) {
          const { most, share } = difference(
            await decodePhoto(file, 192, given && { view: given }),
            await squareBySharp(file, 192, given),
          );
          expect(most, file).to.be.at.most(8);
          expect(share, file).to.be.lessThan(0.01);
        }
      }
    });
  }

  it('gives the same square of a large photo, which is decoded at a fraction of its size', async () => {
    const large = await sharp(noise(200, 150).data, { raw: { width: 200, height: 150, channels: 3 } })
      .resize(1600, 1200)
      .jpeg()
      .toBuffer();
    expect(difference(await decodePhoto(large, 96), await squareBySharp(large, 96)).most).to.equal(0);
  });

  it('gives the same where WebAssembly has no vector instructions', async () => {
    const file = path.join(samples, 'cat.jpg');
    const script = `WebAssembly.validate = () => false;
      const { decodePhoto } = await import('./lib/images/photo.ts');
      const { canResize } = await import('./lib/images/resize.ts');
      const { createHash } = await import('node:crypto');
      const square = await decodePhoto(${JSON.stringify(file)}, 192);
      console.log(canResize({ width: 9, height: 9 }, 9), createHash('sha256').update(square).digest('hex'));`;
    const options = ['--import', 'tsx', '--input-type=module', '--eval', script];
    const output = execFileSync(process.execPath, options, { cwd: root, encoding: 'utf8' });
    const here = createHash('sha256')
      .update(await decodePhoto(file, 192))
      .digest('hex');
    expect(output.trim()).to.equal(`false ${here}`);
  }).timeout(20_000);
});

async function squareBySharp(source: string | Uint8Array, size: number, view = wholePhoto): Promise<Uint8Array> {
  const photo = sharp(source, { autoOrient: true });
  if (view !== wholePhoto) {
    const { width, height } = (await photo.metadata()).autoOrient;
    photo.extract(pixelsOf(view, width, height)).flop(view.mirrored);
  }
  return new Uint8Array(
    await photo.flatten({ background: '#ffffff' }).resize(size, size, { fit: 'fill' }).raw().toBuffer(),
  );
}
