import { expect } from 'chai';
import sharp from 'sharp';
import { decodePhoto } from '../../lib/images/photo.js';
import { tiff } from '../fixtures/tiff.js';
import { chunked } from '../fixtures/png.js';

const [width, height] = [16, 8];
/** Upper half dark, lower half light. */
const grey = (of: (value: number) => number) =>
  Array.from({ length: width * height }, (_, i) => of(i < (width * height) / 2 ? 50 : 200));
const colours = (of: (value: number) => number) =>
  Array.from({ length: 3 * width * height }, (_, i) => of([200, 100, 50][i % 3]));

/** Colours of the first and the last pixel. */
async function ends(bytes: Uint8Array): Promise<number[][]> {
  const rgb = await decodePhoto(bytes, 4);
  return [[...rgb.subarray(0, 3)], [...rgb.subarray(-3)]];
}

function expectEnds(found: number[][], wanted: number[][], tolerance = 2): void {
  found.flat().forEach((value, i) => expect(value, String(found)).to.be.closeTo(wanted.flat()[i], tolerance));
}

describe('the range of numbers', () => {
  const greys = [
    [50, 50, 50],
    [200, 200, 200],
  ];
  const orange = [
    [200, 100, 50],
    [200, 100, 50],
  ];
  const files: [string, Uint8Array, number[][]][] = [
    ['floats from 0 to 1, grey', tiff(Float32Array.from(grey((v) => v / 255)), width, height, 1), greys],
    ['floats from 0 to 1, RGB', tiff(Float32Array.from(colours((v) => v / 255)), width, height, 2), orange],
    ['floats from 0 to 255', tiff(Float32Array.from(grey((v) => v)), width, height, 1), greys],
    ['floats from 0 to 65,535', tiff(Float32Array.from(colours((v) => 257 * v)), width, height, 2), orange],
    ['32-bit integers of full range', tiff(Uint32Array.from(colours((v) => 0x1010101 * v)), width, height, 2), orange],
    ['32-bit integers from 0 to 255', tiff(Int32Array.from(grey((v) => v)), width, height, 1), greys],
    ['32-bit integers from 0 to 65,535', tiff(Int32Array.from(grey((v) => 257 * v)), width, height, 1), greys],
    ['16-bit integers with sign', tiff(Int16Array.from(grey((v) => 128 * v)), width, height, 1), greys],
    ['8-bit integers with sign', tiff(Int8Array.from(grey((v) => v / 2)), width, height, 1), greys],
    ['16-bit integers', tiff(Uint16Array.from(grey((v) => 257 * v)), width, height, 1), greys],
  ];
  for (const [kind, bytes, wanted] of files) {
    it(`of a TIFF is found: ${kind}`, async () => {
      expectEnds(await ends(bytes), wanted, 3);
    });
  }

  it('of a TIFF with negative numbers goes from the least to the greatest', async () => {
    const bytes = tiff(Float32Array.from(grey((v) => v - 300)), width, height, 1);
    expectEnds(await ends(bytes), [
      [0, 0, 0],
      [255, 255, 255],
    ]);
  });

  it('tolerates NaN', async () => {
    const numbers = Float32Array.from(grey((v) => v / 255));
    numbers[5] = NaN;
    numbers[6] = Infinity;
    const [, light] = await ends(tiff(numbers, width, height, 1));
    expectEnds([light], [[200, 200, 200]], 3);
  });

  it('of a TIFF in CIELab is that of Lab', async () => {
    const lab = Array.from({ length: 3 * width * height }, (_, i) => 256 * [140, 38, 45][i % 3]);
    expectEnds(await ends(tiff(Int16Array.from(lab), width, height, 8)), orange, 6);
  });

  it('that is unsupported is reported, not guessed', async () => {
    const lab = tiff(new Uint8Array(3 * width * height).fill(90), width, height, 8);
    const message = await decodePhoto(lab, 4).catch((error: unknown) => (error as Error).message);
    expect(message).to.match(/^The file is a TIFF of an unsupported kind .*Save it as PNG or JPEG\.$/);
  });
});

describe('the gamma of a PNG', () => {
  const gamma = (value: number) => {
    const data = Buffer.alloc(4);
    data.writeUInt32BE(Math.round(100_000 * value));
    return data;
  };
  const plain = () => sharp(Uint8Array.from(colours((v) => v)), { raw: { width, height, channels: 3 } }).keepMetadata();

  it('is applied: linear light becomes that of screens', async () => {
    const wanted = [200, 100, 50].map((value) => Math.round(255 * (value / 255) ** (1 / 2.2)));
    for (const png of [await plain().png().toBuffer(), await plain().toColourspace('rgb16').png().toBuffer()]) {
      expectEnds(await ends(chunked(png, { gAMA: gamma(1) })), [wanted, wanted], 3);
      expectEnds(await ends(chunked(png, { gAMA: gamma(0.45455) })), [[200, 100, 50], [200, 100, 50]]); // prettier-ignore
    }
  });

  it('keeps transparency', async () => {
    const png = await plain().ensureAlpha(0.5).png().toBuffer();
    const wanted = [200, 100, 50].map((value) => 127.5 + 0.5 * 255 * (value / 255) ** (1 / 2.2));
    expectEnds(await ends(chunked(png, { gAMA: gamma(1) })), [wanted, wanted], 3);
  });

  it('is ignored if the PNG declares sRGB', async () => {
    const png = chunked(await plain().png().toBuffer(), { sRGB: Buffer.from([0]), gAMA: gamma(1) });
    expectEnds(await ends(png), [[200, 100, 50], [200, 100, 50]]); // prettier-ignore
  });
});
