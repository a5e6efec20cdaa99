import { expect } from 'chai';
import sharp from 'sharp';
import { decodePhoto } from '../../lib/images/photo.js';
import { drawView, pixelsOf, wholePhoto } from '../../lib/images/view.js';
import { Random } from '../../lib/random.js';

const range = { minArea: 0.25, maxStretch: 4 / 3, mirror: true, colour: 0.4 };

/** A photo whose left half is red and whose right half is blue. */
const halves = async () => {
  const red = sharp({ create: { width: 20, height: 20, channels: 3, background: '#c83232' } });
  const blue = await sharp({ create: { width: 10, height: 20, channels: 3, background: '#3232c8' } })
    .png()
    .toBuffer();
  return await red
    .composite([{ input: blue, left: 10, top: 0 }])
    .png()
    .toBuffer();
};

describe('drawView', () => {
  const random = new Random(7);
  const views = Array.from({ length: 500 }, () => drawView(random, range));

  it('stays inside the photo and within its range', () => {
    for (const { left, top, width, height, brightness, contrast, saturation } of views) {
      expect(left).to.be.at.least(0);
      expect(top).to.be.at.least(0);
      expect(left + width).to.be.at.most(1 + 1e-12);
      expect(top + height).to.be.at.most(1 + 1e-12);
      // A part that is as wide as the photo can't be stretched any further.
      expect(width * height).to.be.within(0.25 * 0.75, 1);
      for (const factor of [brightness, contrast, saturation]) expect(factor).to.be.within(0.6, 1.4);
    }
  });

  it('mirrors half of the views, or none', () => {
    expect(views.filter(({ mirrored }) => mirrored).length).to.be.within(200, 300);
    const straight = Array.from({ length: 50 }, () => drawView(random, { ...range, mirror: false }));
    expect(straight.some(({ mirrored }) => mirrored)).to.equal(false);
  });

  it('draws the same view from the same random numbers', () => {
    expect(drawView(new Random(3, 5), range)).to.deep.equal(drawView(new Random(3, 5), range));
    expect(drawView(new Random(3, 5), range)).not.to.deep.equal(drawView(new Random(3, 6), range));
  });
});

describe('pixelsOf', () => {
  it('covers whole pixels of the photo, at least one', () => {
    expect(pixelsOf(wholePhoto, 30, 20)).to.deep.equal({ left: 0, top: 0, width: 30, height: 20 });
    const corner = { ...wholePhoto, left: 0.99, top: 0.99, width: 0.01, height: 0.01 };
    expect(pixelsOf(corner, 5, 5)).to.deep.equal({ left: 4, top: 4, width: 1, height: 1 });
  });
});

describe('decodePhoto of a view', () => {
  const pixel = (rgb: Uint8Array, i = 0) => [...rgb.subarray(3 * i, 3 * i + 3)];

  it('is the photo itself when the view is of the whole', async () => {
    const photo = await halves();
    expect(await decodePhoto(photo, 8, { view: wholePhoto })).to.deep.equal(await decodePhoto(photo, 8));
  });

  /** Resizing rings a little beside edges. */
  const expectColour = (found: readonly number[], wanted: readonly number[]) => {
    found.forEach((value, i) => expect(value).to.be.closeTo(wanted[i], 6));
  };

  it('crops and mirrors', async () => {
    const photo = await halves();
    const right = await decodePhoto(photo, 4, { view: { ...wholePhoto, left: 0.5, width: 0.5 } });
    expectColour(pixel(right), [50, 50, 200]);
    const mirrored = await decodePhoto(photo, 4, { view: { ...wholePhoto, mirrored: true } });
    expectColour(pixel(mirrored, 0), [50, 50, 200]);
    expectColour(pixel(mirrored, 3), [200, 50, 50]);
  });

  it('crops the photo as displayed, not as stored', async () => {
    // Stored upright, to be turned by 180 degrees.
    const turned = await sharp(await halves())
      .withMetadata({ orientation: 3 })
      .jpeg({ quality: 100, chromaSubsampling: '4:4:4' })
      .toBuffer();
    const left = await decodePhoto(turned, 4, { view: { ...wholePhoto, width: 0.25 } });
    expect(left[2]).to.be.greaterThan(left[0] + 100);
  });

  it('changes brightness, contrast and saturation', async () => {
    const photo = await halves();
    const look = async (change: object) =>
      pixel(await decodePhoto(photo, 4, { view: { ...wholePhoto, width: 0.4, ...change } }));
    expect(await look({ brightness: 0.5 })).to.deep.equal([100, 25, 25]);
    expect(await look({ contrast: 0.5 })).to.deep.equal([164, 89, 89]);
    const grey = Math.round(0.299 * 200 + 0.701 * 50);
    expect(await look({ saturation: 0 })).to.deep.equal([grey, grey, grey]);
    expect(await look({ brightness: 1.4 })).to.deep.equal([255, 70, 70]);
  });
});
