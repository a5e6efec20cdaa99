import type { Metadata, Sharp } from 'sharp';
import { CaptionerError } from '../errors.js';
import type { RawPhoto } from './raw-photo.js';

/** Array types of the numbers that sharp returns for each depth. */
const arrays = {
  char: Int8Array,
  uchar: Uint8Array,
  short: Int16Array,
  ushort: Uint16Array,
  int: Int32Array,
  uint: Uint32Array,
  float: Float32Array,
  double: Float64Array,
} as const;
type Depth = keyof typeof arrays;

/** Usual values of white for each depth. */
const whites: Readonly<Record<Depth, readonly number[]>> = {
  char: [127],
  uchar: [255],
  short: [255, 32767],
  ushort: [65535],
  int: [255, 32767, 65535, 2 ** 31 - 1],
  uint: [255, 65535, 2 ** 32 - 1],
  float: [1, 255, 65535],
  double: [1, 255, 65535],
};

/**
 * Whether the numbers of a TIFF have a range that differs from file to file: floats, and integers
 * other than unsigned 8 and 16 bits.
 */
export function needsRange({ format, depth, space }: Metadata): boolean {
  const isLab = space === 'lab' || space === 'labs'; // its range is fixed
  return format === 'tiff' && !isLab && depth !== 'uchar' && depth !== 'ushort';
}

/**
 * Converts a TIFF of floats, signed integers or 32-bit integers to bytes. White is the smallest
 * usual value (1, 255, 32,767, 65,535, the greatest integer) that no pixel exceeds; black is 0. If
 * there are negative numbers, or numbers above all usual values, black and white are the minimum
 * and the maximum.
 *
 * @param photo of a file that {@link needsRange}.
 * @throws CaptionerError `bad-image`, whose message is a reason: unsupported numbers, or too many
 *   channels.
 */
export async function scaleToBytes(photo: Sharp, { depth, space, channels }: Metadata): Promise<RawPhoto> {
  if (!Object.hasOwn(arrays, depth) || channels > 4) {
    throw new CaptionerError('bad-image', `TIFFs of ${channels} channels of the type ${depth} are not read`);
  }
  const { data, info } = await photo
    .toColourspace(space)
    .raw({ depth: depth as Depth })
    .toBuffer({ resolveWithObject: true });
  const numbers = new arrays[depth as Depth](data.buffer, data.byteOffset, info.width * info.height * info.channels);
  const { black, white } = rangeOf(numbers, whites[depth as Depth]);
  const scale = white > black ? 255 / (white - black) : 0;
  // Rounds, and clamps values that are not finite.
  const bytes = new Uint8ClampedArray(numbers.length);
  for (let i = 0; i < numbers.length; i++) bytes[i] = (numbers[i] - black) * scale;
  return { data: new Uint8Array(bytes.buffer), width: info.width, height: info.height, channels: info.channels };
}

function rangeOf(numbers: Iterable<number>, usual: readonly number[]): { black: number; white: number } {
  let [least, most] = [Infinity, -Infinity];
  for (const value of numbers) {
    if (!Number.isFinite(value)) continue;
    if (value < least) least = value;
    if (value > most) most = value;
  }
  const white = usual.find((value) => most <= value);
  return least < 0 || white === undefined ? { black: least, white: most } : { black: 0, white };
}

/** Gamma of screens, as the exponent that a PNG stores: 1 / 2.2. */
const screenGamma = 0.45455;

/**
 * The gamma by which to convert the colours of a PNG, or undefined if they are already those of
 * screens. An ICC profile and the sRGB and cICP chunks take precedence. PNG specification, third
 * edition, 11.3.2.2.
 */
export function ownGamma(png: Uint8Array): number | undefined {
  const view = new DataView(png.buffer, png.byteOffset, png.byteLength);
  let gamma: number | undefined;
  for (let at = 8; at + 12 <= png.length;) {
    const type = String.fromCharCode(...png.subarray(at + 4, at + 8));
    if (['IDAT', 'sRGB', 'iCCP', 'cICP'].includes(type)) return type === 'IDAT' ? gamma : undefined;
    if (type === 'gAMA') {
      const value = view.getUint32(at + 8) / 100_000;
      gamma = value > 0 && Math.abs(value / screenGamma - 1) > 0.05 ? value : undefined;
    }
    at += 12 + view.getUint32(at);
  }
  return undefined;
}

/**
 * Converts a PNG with its own gamma to bytes with the gamma of screens. Transparency has no gamma.
 */
export async function applyGamma(photo: Sharp, { depth, hasAlpha }: Metadata, gamma: number): Promise<RawPhoto> {
  const wide = depth === 'ushort';
  const { data, info } = await photo
    .toColourspace(wide ? 'rgb16' : 'srgb')
    .raw({ depth: wide ? 'ushort' : 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const samples = wide ? new Uint16Array(data.buffer, data.byteOffset, data.length / 2) : data;
  const most = wide ? 65535 : 255;
  const exponent = screenGamma / gamma;
  const table = Uint8ClampedArray.from({ length: most + 1 }, (_, value) => 255 * (value / most) ** exponent);
  const alpha = hasAlpha ? info.channels - 1 : -1;
  const bytes = new Uint8Array(samples.length);
  for (let i = 0; i < samples.length; i++) {
    bytes[i] = i % info.channels === alpha ? Math.round((255 * samples[i]) / most) : table[samples[i]];
  }
  return { data: bytes, width: info.width, height: info.height, channels: info.channels };
}
