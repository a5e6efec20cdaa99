import { CaptionerError } from '../errors.js';
import type { RawPhoto } from './raw-photo.js';

/** The error for a BMP that cannot be read; the caller names the file. */
function bad(reason: string): CaptionerError {
  return new CaptionerError('bad-image', reason);
}

/** The fields of the headers of a BMP. */
interface BmpHeader {
  readonly width: number;
  readonly height: number;
  /** Whether the first row is the top one. */
  readonly topDown: boolean;
  readonly bits: number;
  /** 0 none, 1 and 2 run lengths of 8 and 4 bits, 3 and 6 bit masks. */
  readonly compression: number;
  /** Offset of the first pixel. */
  readonly pixels: number;
  /** RGBA each, by index. */
  readonly palette: readonly (readonly number[])[];
  /** Bits of red, green, blue and alpha in a pixel of 16 or 32 bits. */
  readonly masks: readonly number[];
}

/**
 * Decodes a BMP: 1, 2, 4, 8, 16, 24 and 32 bits, run-length coded, with bit masks, top-down, OS/2 and Windows headers.
 * Format: https://learn.microsoft.com/windows/win32/gdi/bitmap-storage. (The npm packages that were tried mix up palettes and rows.)
 *
 * @returns RGBA bytes. Alpha counts where the file says that it has any, and not all of it is 0.
 * @throws CaptionerError `bad-image`, whose message is a reason.
 */
export function decodeBmp(bytes: Uint8Array, maxPixels: number): RawPhoto {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    const header = readHeader(view);
    const { width, height } = header;
    if (width * height > maxPixels) throw bad('pixel limit');
    const data = new Uint8Array(4 * width * height);
    if (header.compression === 1 || header.compression === 2) readRuns(bytes, header, data);
    else readRows(view, header, data);
    if (header.masks[3] === 0 || data.every((value, i) => i % 4 !== 3 || value === 0)) {
      for (let i = 3; i < data.length; i += 4) data[i] = 255;
    }
    return { data, width, height, channels: 4 };
  } catch (error) {
    if (error instanceof RangeError) throw bad('it ends before its last pixel');
    throw error;
  }
}

function readHeader(view: DataView): BmpHeader {
  const size = view.getUint32(14, true);
  const core = size === 12; // OS/2 1.x
  const width = core ? view.getUint16(18, true) : view.getInt32(18, true);
  const signedHeight = core ? view.getUint16(20, true) : view.getInt32(22, true);
  const height = Math.abs(signedHeight);
  const bits = view.getUint16(core ? 24 : 28, true);
  const compression = core ? 0 : view.getUint32(30, true);
  if (width <= 0 || height === 0) throw bad('it has no pixels');
  const fits = { 0: [1, 2, 4, 8, 16, 24, 32], 1: [8], 2: [4], 3: [16, 32], 6: [16, 32] }[compression];
  if (!fits?.includes(bits)) throw bad(`BMPs of ${bits} bits with compression ${compression} are not read`);
  const pixels = view.getUint32(10, true);
  const masked = compression === 3 || compression === 6;
  // Masks follow the plain header of 40 bytes, and are part of all longer ones.
  const masks = masked
    ? [0, 1, 2].map((i) => view.getUint32(54 + 4 * i, true))
    : bits === 16
      ? [0x7c00, 0x3e0, 0x1f]
      : [0xff0000, 0xff00, 0xff];
  masks.push(masked && (size >= 56 || compression === 6) ? view.getUint32(66, true) : 0);
  const paletteAt = 14 + size + (size === 40 && masked ? (compression === 6 ? 16 : 12) : 0);
  const entry = core ? 3 : 4;
  const declared = core ? 0 : view.getUint32(46, true);
  const colours = bits > 8 ? 0 : Math.min(declared || 2 ** bits, 256, Math.max(0, pixels - paletteAt) / entry);
  const palette = Array.from({ length: Math.floor(colours) }, (_, i) =>
    [2, 1, 0].map((channel) => view.getUint8(paletteAt + entry * i + channel)),
  );
  return { width, height, topDown: signedHeight < 0, bits, compression, pixels, palette, masks };
}

/** Rows of pixels, each padded to 4 bytes. */
function readRows(
  view: DataView,
  { width, height, topDown, bits, pixels, palette, masks }: BmpHeader,
  into: Uint8Array,
) {
  const stride = 4 * Math.ceil((width * bits) / 32);
  if (pixels + stride * (height - 1) + Math.ceil((width * bits) / 8) > view.byteLength) throw new RangeError();
  const channels = masks.map(channelOf);
  for (let y = 0; y < height; y++) {
    const row = pixels + stride * (topDown ? y : height - 1 - y);
    for (let x = 0; x < width; x++) {
      const to = 4 * (y * width + x);
      if (bits <= 8) {
        const byte = view.getUint8(row + ((x * bits) >> 3));
        setColour(into, to, palette[(byte >> (8 - bits - ((x * bits) & 7))) & (2 ** bits - 1)]);
      } else if (bits === 24) {
        for (let channel = 0; channel < 3; channel++) into[to + channel] = view.getUint8(row + 3 * x + 2 - channel);
      } else {
        const pixel = bits === 16 ? view.getUint16(row + 2 * x, true) : view.getUint32(row + 4 * x, true);
        for (let channel = 0; channel < 4; channel++) into[to + channel] = channels[channel](pixel);
      }
    }
  }
}

/** Reads a channel of a pixel, scaled to 8 bits. */
function channelOf(mask: number): (pixel: number) => number {
  if (mask === 0) return () => 0;
  const shift = 31 - Math.clz32(mask & -mask);
  const most = mask >>> shift;
  return (pixel) => Math.round((255 * ((pixel & mask) >>> shift)) / most);
}

/** Run lengths: a count and a colour (or two that take turns); after a 0, the end of a row or of all, a jump, or colours as they are. */
function readRuns(bytes: Uint8Array, { width, height, topDown, bits, pixels, palette }: BmpHeader, into: Uint8Array) {
  for (let i = 0; i < width * height; i++) setColour(into, 4 * i, palette[0]);
  let [x, y, at] = [0, 0, pixels];
  const next = () => {
    if (at >= bytes.length) throw new RangeError();
    return bytes[at++];
  };
  const put = (index: number) => {
    if (x < width && y < height) setColour(into, 4 * ((topDown ? y : height - 1 - y) * width + x), palette[index]);
    x++;
  };
  const nibble = (byte: number, i: number) => (bits === 8 ? byte : i % 2 ? byte & 15 : byte >> 4);
  while (y < height) {
    const [count, value] = [next(), next()];
    if (count > 0) for (let i = 0; i < count; i++) put(nibble(value, i));
    else if (value === 0) [x, y] = [0, y + 1];
    else if (value === 1) return;
    else if (value === 2) [x, y] = [x + next(), y + next()];
    else {
      const start = at;
      let byte = 0;
      for (let i = 0; i < value; i++) {
        if (bits === 8 || i % 2 === 0) byte = next();
        put(nibble(byte, i));
      }
      if ((at - start) % 2) at++; // padded to 16 bits
    }
  }
}

function setColour(into: Uint8Array, at: number, colour: readonly number[] | undefined): void {
  if (colour) into.set(colour, at);
}
