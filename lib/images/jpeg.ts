import type { Sharp, SharpOptions } from 'sharp';
import { CaptionerError } from '../errors.js';

/** Decodes the bytes of a JPEG as sharp does. */
export type OpenJpeg = (bytes: Uint8Array, options: SharpOptions) => Sharp;

/** Share of a photo that may be missing: a block or two at its lower edge. */
const tolerated = 0.002;

/**
 * Repairs a JPEG that libjpeg warns about, so that it decodes without counting warnings. libjpeg
 * fills missing parts with grey, so a photo is refused depending on how much of it was really
 * decoded:
 *
 * - Stray bytes between segments, after the last scan or after the photo are left out. A missing
 *   end marker is added.
 * - Data that end early are measured: from the last block of the file's own data on, the blocks
 *   that libjpeg filled in have one colour.
 * - A code that does not exist, or restart markers out of order, mean that the data were changed.
 *   So does a large amount of leftover data.
 *
 * @throws CaptionerError `bad-image`, whose message is a reason: `half of it is missing`.
 */
export async function mendJpeg(bytes: Uint8Array, open: OpenJpeg): Promise<Uint8Array> {
  const jpeg = readJpeg(bytes);
  if (!jpeg) throw damaged('it has no pixels');
  const warning = await warningOf(jpeg.bytes, open);
  if (warning === undefined) return jpeg.bytes;
  const extraneous = Number(/(\d+) extraneous bytes before marker 0xd9/.exec(warning)?.[1] ?? 0);
  if (extraneous > tolerated * jpeg.bytes.length && !isPadding(jpeg.bytes, extraneous)) {
    throw damaged('its data do not fit its size');
  }
  if (/Huffman|instead of RST|resync/i.test(warning)) throw damaged('its data were changed');
  if (/premature end/i.test(warning)) {
    const share = await missingShare(jpeg, open);
    if (share > tolerated) throw damaged(`${Math.max(1, Math.round(100 * share))} % of it is missing`);
    if (jpeg.progressive && !jpeg.finest) throw damaged('its details are missing');
    if (jpeg.scanComponents < jpeg.components && !jpeg.progressive) throw damaged('its colours are missing');
  }
  return jpeg.bytes;
}

function damaged(reason: string): CaptionerError {
  return new CaptionerError('bad-image', reason);
}

/** A JPEG's segments and scans, without anything between them, and an end marker. */
interface Jpeg {
  readonly bytes: Uint8Array;
  readonly progressive: boolean;
  /** Colour components: 1, 3 or 4. */
  readonly components: number;
  /** Height of a row of blocks in pixels: 8 times the largest vertical sampling factor. */
  readonly blockRow: number;
  /** Components of the last scan. */
  readonly scanComponents: number;
  /** Whether the last scan holds the lowest bit of its coefficients. */
  readonly finest: boolean;
}

/** A JPEG's frame header. */
export interface JpegFrame {
  readonly width: number;
  readonly height: number;
  /** Colour components: 1, 3 or 4. */
  readonly channels: number;
  readonly isProgressive: boolean;
}

/**
 * The frame header of a JPEG with 8 bits per sample, without decoding anything. Undefined if there is something unusual about it.
 */
export function jpegFrame(bytes: Uint8Array): JpegFrame | undefined {
  const word = (at: number) => (bytes[at] << 8) | bytes[at + 1];
  for (let at = 2; at + 10 < bytes.length && bytes[at] === 0xff; at += 2 + word(at + 2)) {
    const marker = bytes[at + 1];
    if (marker < 0xc0 || (marker >= 0xd0 && marker <= 0xda)) return undefined;
    if (!isFrameHeader(marker)) continue;
    const frame = {
      height: word(at + 5),
      width: word(at + 7),
      channels: bytes[at + 9],
      isProgressive: marker === 0xc2,
    };
    const usual = marker <= 0xc2 && bytes[at + 4] === 8 && frame.width > 0 && frame.height > 0;
    return usual ? frame : undefined;
  }
  return undefined;
}

/** Whether a marker begins a frame: those from SOF0 to SOF15 that are not tables. */
function isFrameHeader(marker: number): boolean {
  return marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker);
}

/** Walks through the markers of ITU-T T.81, annex B. */
function readJpeg(bytes: Uint8Array): Jpeg | undefined {
  const parts: Uint8Array[] = [bytes.subarray(0, 2)];
  const found = { progressive: false, components: 0, blockRow: 8, scanComponents: 0, finest: false };
  for (let at = 2; ;) {
    while (at < bytes.length && bytes[at] !== 0xff) at++;
    while (bytes[at + 1] === 0xff) at++;
    const marker = bytes[at + 1];
    if (at + 4 > bytes.length || marker === 0xd9) break;
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) {
      at += 2;
      continue;
    }
    const end = at + 2 + ((bytes[at + 2] << 8) | bytes[at + 3]);
    if (marker < 0xc0 || end > bytes.length) break;
    if (isFrameHeader(marker)) {
      found.progressive = (marker & 3) === 2;
      found.components = bytes[at + 9];
      for (let i = 0; i < found.components; i++) {
        found.blockRow = Math.max(found.blockRow, 8 * (bytes[at + 11 + 3 * i] & 15));
      }
    }
    const stop = marker === 0xda ? endOfScan(bytes, end) : end;
    if (marker === 0xda) {
      found.scanComponents = bytes[at + 4];
      found.finest = (bytes[end - 1] & 15) === 0;
    }
    parts.push(bytes.subarray(at, stop));
    at = stop;
  }
  if (found.components === 0 || found.scanComponents === 0) return undefined;
  return { bytes: Buffer.concat([...parts, Uint8Array.of(0xff, 0xd9)]), ...found };
}

/**
 * Whether another JPEG follows right after the end of a JPEG. Photos of phones may hold further
 * pictures there, announced by their own index (the Multi-Picture Format); these do not count.
 */
export function holdsSeveralJpegs(bytes: Uint8Array): boolean {
  if (bytes[0] !== 0xff || bytes[1] !== 0xd8) return false;
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return !data.includes('MPF\0', 0, 'latin1') && data.indexOf(Buffer.from([0xff, 0xd9, 0xff, 0xd8, 0xff])) > 0;
}

/**
 * The end of the entropy-coded data that begin at `at`: the next marker other than a restart
 * marker.
 */
function endOfScan(bytes: Uint8Array, at: number): number {
  for (; at < bytes.length - 1; at++) {
    if (bytes[at] !== 0xff) continue;
    const next = bytes[at + 1];
    if (next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  return bytes[at] === 0xff ? at : bytes.length;
}

/** libjpeg's first warning about a JPEG, or undefined if there is none. */
async function warningOf(bytes: Uint8Array, open: OpenJpeg): Promise<string | undefined> {
  try {
    await open(bytes, { failOn: 'warning' }).raw().toBuffer();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Whether the last `count` bytes before the end marker are all the same, as some cameras pad their files. */
function isPadding(bytes: Uint8Array, count: number): boolean {
  return new Set(bytes.subarray(-2 - count, -2)).size === 1;
}

/** Share of a photo's pixels that no data account for: the run of one colour at its end. */
async function missingShare({ bytes, blockRow }: Jpeg, open: OpenJpeg): Promise<number> {
  const { data, info } = await open(bytes, { failOn: 'none' }).greyscale().raw().toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  let flat = height;
  while (flat > 0 && flatness().holds(data, (flat - 1) * width * channels, flat * width * channels, channels)) flat--;
  if (flat === 0) return 1;
  // The right part of the row of blocks above may be missing, too. Its uppermost pixels blend with the blocks above.
  const top = Math.floor((flat - 1) / blockRow) * blockRow;
  const mixed = flat - top > 2 ? 2 : 0;
  const right = flatness();
  const isFlat = (x: number) => {
    const [first, end] = [(top + mixed) * width + x, flat * width];
    return right.holds(data, first * channels, end * channels, width * channels);
  };
  let column = width;
  while (column > 0 && isFlat(column - 1)) column--;
  return ((height - flat) * width + (width - column) * (flat - top)) / (width * height);
}

/** Checks whether all values it receives are about the same. */
function flatness() {
  let [least, most] = [255, 0];
  return {
    /**
     * Whether these values and all earlier ones are about the same.
     * @param step distance from one value to the next.
     */
    holds(data: Uint8Array, start: number, end: number, step: number): boolean {
      for (let i = start; i < end; i += step) {
        if (data[i] < least) least = data[i];
        if (data[i] > most) most = data[i];
      }
      return most - least <= 2;
    },
  };
}
