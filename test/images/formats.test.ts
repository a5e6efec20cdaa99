import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import { findPhotos } from '../../lib/images/find.js';
import { decodePhoto } from '../../lib/images/photo.js';

type Colour = readonly [red: number, green: number, blue: number];
const rows: Colour[][] = [
  [[255, 0, 0], [0, 255, 0], [0, 0, 255]], // prettier-ignore
  [[255, 255, 255], [0, 0, 0], [200, 104, 48]], // prettier-ignore
];

interface BmpKind {
  readonly bits: number;
  readonly compression?: number;
  readonly topDown?: boolean;
  readonly masks?: readonly number[];
  /** Length of the header: 12 OS/2, 40 Windows 3, 108 and 124 later ones. */
  readonly header?: number;
  readonly alpha?: number;
}

/** A BMP of 3 x 2 pixels, {@link rows}, by the format's description. */
function bmp({ bits, compression = 0, topDown = false, masks, header = 40, alpha = 0 }: BmpKind): Buffer {
  const [width, height] = [3, 2];
  const palette: Colour[] = bits > 8 ? [] : bits === 1 ? [[0, 0, 0], [255, 255, 255]] : rows.flat(); // prettier-ignore
  const indexOf = ([r, g, b]: Colour) =>
    bits === 1 ? Number(r + g + b > 380) : palette.findIndex((colour) => colour.join() === [r, g, b].join());
  const order = topDown ? rows : [...rows].reverse();
  const runs = order.flatMap((row) => [...row.flatMap((c) => [1, indexOf(c) << (bits === 4 ? 4 : 0)]), 0, 0]);
  const stride = 4 * Math.ceil((width * bits) / 32);
  const plain = Buffer.alloc(stride * height);
  order.forEach((row, y) =>
    row.forEach(([r, g, b], x) => {
      const at = y * stride;
      if (bits === 24) plain.set([b, g, r], at + 3 * x);
      else if (bits === 32) plain.set([b, g, r, alpha], at + 4 * x);
      else if (bits === 16) {
        const green = masks?.[1] === 0x7e0 ? [g >> 2, 11] : [g >> 3, 10];
        plain.writeUInt16LE(((r >> 3) << green[1]) | (green[0] << 5) | (b >> 3), at + 2 * x);
      } else plain[at + ((x * bits) >> 3)] |= indexOf([r, g, b]) << (8 - bits - ((x * bits) & 7));
    }),
  );
  const pixels = compression === 1 || compression === 2 ? Buffer.from([...runs, 0, 1]) : plain;
  const head = Buffer.alloc(14 + header);
  const maskBytes = Buffer.from(Uint32Array.from(masks ?? []).buffer);
  const paletteBytes = Buffer.from(palette.flatMap(([r, g, b]) => (header === 12 ? [b, g, r] : [b, g, r, 0])));
  const between = Buffer.concat([header === 40 ? maskBytes : Buffer.alloc(0), paletteBytes]);
  head.write('BM');
  head.writeUInt32LE(head.length + between.length, 10);
  head.writeUInt32LE(header, 14);
  if (header === 12) [width, height, 1, bits].forEach((value, i) => head.writeUInt16LE(value, 18 + 2 * i));
  else {
    head.writeInt32LE(width, 18);
    head.writeInt32LE(topDown ? -height : height, 22);
    head.writeUInt16LE(bits, 28);
    head.writeUInt32LE(compression, 30);
    head.writeUInt32LE(palette.length, 46);
    if (header > 40) maskBytes.copy(head, 54);
  }
  return Buffer.concat([head, between, pixels]);
}

/** The 3 x 2 pixels that sharp decodes, on white. */
const squashed = (pixels: Uint8Array, channels: 3 | 4, size: number) =>
  sharp(pixels, { raw: { width: 3, height: 2, channels } })
    .flatten({ background: '#ffffff' })
    .resize(size, size, { fit: 'fill' })
    .raw()
    .toBuffer();
const reference = (size: number) => squashed(Uint8Array.from(rows.flat(2)), 3, size);

const failure = (bytes: Uint8Array) =>
  decodePhoto(bytes, 8).then(
    () => expect.fail('it was decoded'),
    (error: unknown) => (error as Error).message,
  );

describe('BMP', () => {
  const rgb = [0xff0000, 0xff00, 0xff];
  const kinds: Record<string, BmpKind> = {
    '24 bits': { bits: 24 },
    '24 bits, top row first': { bits: 24, topDown: true },
    '32 bits': { bits: 32 },
    '32 bits, opaque': { bits: 32, alpha: 255 },
    '32 bits with masks': { bits: 32, compression: 3, masks: rgb },
    '32 bits with alpha': { bits: 32, compression: 3, masks: [...rgb, 0xff000000], header: 108, alpha: 255 },
    '16 bits': { bits: 16 },
    '16 bits, 5-6-5': { bits: 16, compression: 3, masks: [0xf800, 0x7e0, 0x1f] },
    'a palette': { bits: 8 },
    'a palette, top row first': { bits: 8, topDown: true },
    'a palette of 16': { bits: 4 },
    'run lengths': { bits: 8, compression: 1 },
    'run lengths of 4 bits': { bits: 4, compression: 2 },
    'the header of OS/2': { bits: 24, header: 12 },
    'the header of OS/2 and a palette': { bits: 8, header: 12 },
    'a header of 124 bytes': { bits: 24, header: 124 },
  };
  for (const [kind, of] of Object.entries(kinds)) {
    it(`is read with ${kind}`, async () => {
      const [found, wanted] = [await decodePhoto(bmp(of), 8), await reference(8)];
      found.forEach((value, i) => expect(value, `byte ${i}`).to.be.closeTo(wanted[i], of.bits === 16 ? 8 : 1));
    });
  }

  it('is read in black and white', async () => {
    const wanted = Uint8Array.from(
      rows.flat().flatMap(([r, g, b]) => Array<number>(3).fill(r + g + b > 380 ? 255 : 0)),
    );
    const found = await decodePhoto(bmp({ bits: 1 }), 8);
    expect(Buffer.from(found)).to.deep.equal(await squashed(wanted, 3, 8));
  });

  it('is transparent according to its alpha channel', async () => {
    const found = await decodePhoto(
      bmp({ bits: 32, compression: 3, masks: [...rgb, 0xff000000], header: 108, alpha: 128 }),
      8,
    );
    const wanted = Uint8Array.from(rows.flat().flatMap((colour) => [...colour, 128]));
    expect(Buffer.from(found)).to.deep.equal(await squashed(wanted, 4, 8));
  });

  it('is refused if it is cut short, too large, or of an unsupported kind', async () => {
    expect(await failure(bmp({ bits: 24 }).subarray(0, -5))).to.match(/cut short \(it ends before its last pixel\)/);
    expect(await failure(bmp({ bits: 8, compression: 1 }).subarray(0, -12))).to.match(/ends before its last pixel/);
    const huge = bmp({ bits: 24 });
    huge.writeInt32LE(60_000, 18);
    huge.writeInt32LE(60_000, 22);
    expect(await failure(huge)).to.match(/too many pixels/);
    const jpegInside = bmp({ bits: 24 });
    jpegInside.writeUInt32LE(4, 30);
    expect(await failure(jpegInside)).to.match(/a BMP of an unsupported kind .* Save it as PNG or JPEG/);
  });
});

/**
 * A colour of Display P3 in sRGB, clipped: both have the transfer function of sRGB and the white D65. The matrix follows from the
 * primaries (SMPTE EG 432-1 and ITU-R BT.709).
 */
function displayP3AsSrgb(colour: readonly number[]): number[] {
  const [r, g, b] = colour.map((byte) =>
    byte <= 10.31475 ? byte / 255 / 12.92 : ((byte / 255 + 0.055) / 1.055) ** 2.4,
  );
  const linear = [
    1.2249401763 * r - 0.2249401763 * g,
    -0.0420569547 * r + 1.0420569547 * g,
    -0.0196375546 * r - 0.0786360456 * g + 1.0982736001 * b,
  ];
  return linear.map((value) => {
    const clipped = Math.min(1, Math.max(0, value));
    return Math.round(255 * (clipped <= 0.0031308 ? 12.92 * clipped : 1.055 * clipped ** (1 / 2.4) - 0.055));
  });
}

describe('HEIC', () => {
  // Made by libheif 1.15 of four colours: red and blue above green and light grey, 96 x 64.
  const heic = fs.readFileSync('test/fixtures/photos/four-colours.heic');

  it('is read', async () => {
    const rgb = await decodePhoto(heic, 8);
    const pixel = (x: number, y: number) => [...rgb.subarray(3 * (8 * y + x), 3 * (8 * y + x) + 3)];
    const corners = [pixel(0, 0), pixel(7, 0), pixel(0, 7), pixel(7, 7)];
    const wanted = [[200, 30, 30], [40, 60, 200], [30, 160, 40], [230, 230, 230]]; // prettier-ignore
    corners.flat().forEach((value, i) => expect(value, String(corners)).to.be.closeTo(wanted.flat()[i], 12));
  });

  // Made by libheif 1.15 of four colours in Display P3, 96 x 64, with its ICC profile, like the photos of many phones.
  const withProfile = fs.readFileSync('test/fixtures/photos/display-p3.heic');
  const withNumbers = () => {
    const bytes = Buffer.from(withProfile);
    const box = bytes.indexOf('colr') - 4;
    bytes.fill(0, box + 8, box + bytes.readUInt32BE(box));
    bytes.write('nclx', box + 8);
    [12, 13, 6].forEach((number, i) => bytes.writeUInt16BE(number, box + 12 + 2 * i));
    bytes[box + 18] = 0x80; // the full range of values
    return bytes;
  };
  for (const [kind, bytes] of Object.entries({
    'an ICC profile': withProfile,
    'numbers of ITU-T H.273': withNumbers(),
  })) {
    it(`is converted from Display P3 to sRGB, with colours given by ${kind}`, async () => {
      const rgb = await decodePhoto(bytes, 8);
      const pixel = (x: number, y: number) => [...rgb.subarray(3 * (8 * y + x), 3 * (8 * y + x) + 3)];
      const stored = [[230, 40, 40], [40, 60, 200], [40, 180, 60], [230, 230, 230]]; // prettier-ignore
      const corners = [pixel(0, 0), pixel(7, 0), pixel(0, 7), pixel(7, 7)];
      const wanted = stored.map(displayP3AsSrgb);
      corners.flat().forEach((value, i) => expect(value, String(corners)).to.be.closeTo(wanted.flat()[i], 8));
      // Without the conversion, red and green would be about 40 levels away.
      expect(wanted[0][1]).to.equal(0);
    });
  }

  it('keeps its colours if its profile is damaged', async () => {
    const bytes = Buffer.from(withProfile);
    bytes.fill(0, bytes.indexOf('acsp') - 36, bytes.indexOf('acsp') + 300);
    const rgb = await decodePhoto(bytes, 8);
    [230, 40, 40].forEach((value, i) => expect(rgb[i]).to.be.closeTo(value, 8));
  });

  it('is refused if it is cut short or too large, without output on standard output', async () => {
    const log = console.log;
    const said: unknown[] = [];
    console.log = (...words: unknown[]) => said.push(...words);
    try {
      for (const share of [0.1, 0.5, 0.9]) {
        expect(await failure(heic.subarray(0, Math.floor(share * heic.length)))).to.match(/damaged or cut short/);
      }
      const limited = decodePhoto(heic, 8, { maxPixels: 96 * 64 - 1 });
      expect(await limited.catch((error: unknown) => (error as Error).message)).to.match(/too many pixels/);
    } finally {
      console.log = log;
    }
    expect(said).to.deep.equal([]);
  });

  it('loads no decoder for other formats', () => {
    const code = `const { decodePhoto } = await import('./lib/images/photo.ts');
      await decodePhoto('data/samples/cat.jpg', 8);
      const { createRequire } = await import('node:module');
      console.log(Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('libheif')));`;
    const { stdout } = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', code], {
      encoding: 'utf8',
    });
    expect(stdout.trim()).to.equal('false');
  });
});

describe('unsupported formats', () => {
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  const svg = '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>';
  it('are recognised by their content and named with advice', async () => {
    const files: [string | Buffer, RegExp][] = [
      [svg, /is an SVG drawing, which is not supported\. Export it as PNG\.$/],
      ['%PDF-1.7', /is a PDF, which is not supported\. Export its pages as PNG\.$/],
      ['\0\0\0\x0cjP  \r\n\x87\n', /is a JPEG 2000 photo, which is not supported\. Convert it to JPEG\.$/],
      ['II*\0\x10\0\0\0CR\x02\0', /is a RAW photo, which is not supported\. Export it as JPEG/],
      ['FUJIFILMCCD-RAW ', /is a RAW photo/],
    ];
    for (const [text, wanted] of files) {
      expect(await failure(typeof text === 'string' ? Buffer.from(text, 'latin1') : text)).to.match(wanted);
    }
  });

  it('are found in folders, so none is overlooked', async () => {
    const tiff = await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
      .tiff()
      .toBuffer();
    const names = {
      'a.nef': tiff,
      'b.svg': svg,
      'c.pdf': '%PDF-1.4',
      'd.HEIC': '',
      'e.bmp': '',
      'f.txt': 'text',
      drawing: svg,
    };
    for (const [name, content] of Object.entries(names)) fs.writeFileSync(path.join(folder, name), content);
    const found = (await findPhotos([folder])).map((file) => path.basename(file));
    expect(found).to.deep.equal(['a.nef', 'b.svg', 'c.pdf', 'd.HEIC', 'drawing', 'e.bmp']);
    // A RAW photo is TIFF inside, whose picture is a thumbnail.
    const message = await decodePhoto(path.join(folder, 'a.nef'), 8).catch(
      (error: unknown) => (error as Error).message,
    );
    expect(message).to.match(/a\.nef is a RAW photo, which is not supported/);
  });
});
