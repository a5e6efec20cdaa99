import { expect } from 'chai';
import sharp, { type Sharp } from 'sharp';
import { CaptionerError } from '../../lib/errors.js';
import { decodePhoto } from '../../lib/images/photo.js';
import { decodedSize, viewCounts, viewsOfPhoto, wholeView } from '../../lib/images/photo-views.js';
import { mirrorImage } from '../../lib/images/view.js';
import { Random } from '../../lib/random.js';

const noise = (width: number, height: number, seed = 1) => {
  const random = new Random(seed);
  const pixels = Uint8Array.from({ length: 3 * width * height }, () => random.integer(256));
  return sharp(pixels, { raw: { width, height, channels: 3 } });
};

describe('views of a photo', () => {
  it('are the exact bytes of the photo for a single view', async () => {
    const photo = await decodePhoto(await noise(30, 20).png().toBuffer(), 16);
    expect(decodedSize('one', 16)).to.equal(16);
    const views = await viewsOfPhoto(photo, 16, 'one');
    expect(views).to.have.length(1);
    expect(views[0]).to.equal(photo);
  });

  it('are the photo and its mirror image, as if decoded from a mirrored file', async () => {
    // Resizing is symmetrical where the sizes are multiples of each other, but for rounding; else nearly.
    const difference = async (image: () => Sharp, size: number) => {
      const photo = await decodePhoto(await image().png().toBuffer(), decodedSize('mirror', size));
      const [whole, mirrored, ...more] = await viewsOfPhoto(photo, size, 'mirror');
      expect(whole).to.equal(photo);
      expect(more).to.deep.equal([]);
      const flopped = await decodePhoto(await image().flop().png().toBuffer(), size);
      const apart = (views: Uint8Array) => flopped.map((value, i) => Math.abs(value - views[i]));
      const mean = (values: Uint8Array) => values.reduce((sum, value) => sum + value, 0) / values.length;
      expect(mean(apart(whole)), 'it differs from the photo').to.be.above(10);
      return { most: Math.max(...apart(mirrored)), mean: mean(apart(mirrored)) };
    };
    expect(await difference(() => noise(16, 16), 16)).to.include({ most: 0 });
    expect((await difference(() => noise(32, 48), 16)).most).to.be.at.most(1);
    expect((await difference(() => sharp('data/samples/raccoon.jpg').removeAlpha(), 64)).mean).to.be.below(1);
  });

  it('are the photo, its corners and its middle, each with its mirror image, as sharp cuts them', async () => {
    const size = 224;
    expect(decodedSize('crops', size)).to.equal(256);
    const file = await noise(300, 200).jpeg({ quality: 95 }).toBuffer();
    const photo = await decodePhoto(file, 256);
    const square = () => sharp(photo, { raw: { width: 256, height: 256, channels: 3 } });
    const expected = [await decodePhoto(await square().png().toBuffer(), size)];
    for (const [left, top] of [
      [0, 0],
      [32, 0],
      [0, 32],
      [32, 32],
      [16, 16],
    ])
      // prettier-ignore
      expected.push(await square().extract({ left, top, width: size, height: size }).raw().toBuffer());
    const views = await viewsOfPhoto(photo, size, 'crops');
    expect(views).to.have.length(12).and.to.have.length(viewCounts.crops);
    for (const [i, view] of expected.entries()) {
      expect(Buffer.compare(views[2 * i], view), `view ${2 * i}`).to.equal(0);
      const flopped = await sharp(view, { raw: { width: size, height: size, channels: 3 } }).flop().raw().toBuffer(); // prettier-ignore
      expect(Buffer.compare(views[2 * i + 1], flopped), `view ${2 * i + 1}`).to.equal(0);
    }
    expect(await wholeView(photo, size, 'crops')).to.deep.equal(views[0]);
  });

  it('have an even margin at every size, so that the mirror image of a photo has the same crops', async () => {
    for (const size of [1, 7, 8, 16, 128, 224, 299]) {
      const decoded = decodedSize('crops', size);
      expect((decoded - size) % 2).to.equal(0);
      expect(decoded / size, `${size}`).to.be.within(1.1, size < 16 ? 3 : 1.17);
      const photo = new Uint8Array(await noise(decoded, decoded).raw().toBuffer());
      const sorted = async (rgb: Uint8Array) =>
        (await viewsOfPhoto(rgb, size, 'crops')).slice(2).map((view) => Buffer.from(view).toString('latin1')).sort(); // prettier-ignore
      expect(await sorted(mirrorImage(photo, decoded))).to.deep.equal(await sorted(photo));
    }
  });

  it('are refused of a photo of another size', async () => {
    const error = await viewsOfPhoto(new Uint8Array(3 * 16 * 16), 16, 'crops').catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-input');
    expect((error as Error).message).to.contain('18 x 18');
  });
});
