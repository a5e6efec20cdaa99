import type { Metadata } from 'sharp';
import { CaptionerError } from '../errors.js';

/** Limits on decoded photos: a file of a few kilobytes can require gigabytes of memory. */
export interface PhotoLimits {
  /** Maximum pixels of one photo. Default: {@link defaultMaxPixels}. */
  readonly maxPixels?: number;
  /**
   * Maximum pixels of one photo that is held in memory as a whole while decoding: AVIF, HEIC, WebP,
   * GIF, TIFF, BMP, an interlaced PNG, a progressive JPEG, or a rotated photo. They take up to 20
   * bytes per pixel. Default: `maxPixels`.
   */
  readonly maxBufferedPixels?: number;
  /**
   * Maximum pixels of all photos being decoded at the same time. Default: {@link defaultMaxPixels}.
   */
  readonly maxPixelsInFlight?: number;
}

/** 134 megapixels: more than the frame of any phone or camera. */
export const defaultMaxPixels = 2 ** 27;

/** Maximum number of channels: cyan, magenta, yellow, black and transparency. */
const maxChannels = 5;

/** Bytes per channel. All pixel limits count a pixel of 16-bit channels as two. */
const depths: Readonly<Record<string, number>> = {
  ushort: 2,
  short: 2,
  uint: 4,
  int: 4,
  float: 4,
  double: 8,
  complex: 8,
  dpcomplex: 16,
};

/** The fields of a photo's header that determine its memory. */
export interface PhotoHeader extends Pick<
  Metadata,
  'width' | 'height' | 'depth' | 'format' | 'isProgressive' | 'orientation'
> {
  readonly channels: number;
  /** Whether it is held in memory as a whole for reasons other than its format. */
  readonly inMemory?: boolean;
}

/**
 * The number of pixels that a photo counts for, by its header.
 * @param name name of the photo in messages.
 * @throws CaptionerError `bad-image` if it exceeds a limit.
 */
export function countedPixels(
  header: PhotoHeader,
  name: string,
  { maxPixels = defaultMaxPixels, maxBufferedPixels = maxPixels }: PhotoLimits = {},
): number {
  const { width, height, channels, depth } = header;
  if (channels > maxChannels) {
    throw new CaptionerError('bad-image', `${name} has ${channels} channels; at most ${maxChannels} are supported.`);
  }
  const pixels = width * height * (depths[depth] ?? 1);
  const refuse = (most: number, which: string) => {
    const sentence = `${name} has too many pixels: the limit is ${most.toLocaleString('en')}${which}.`;
    return new CaptionerError('bad-image', sentence);
  };
  if (pixels > maxPixels) throw refuse(maxPixels, '');
  if (pixels > maxBufferedPixels && isBuffered(header)) throw refuse(maxBufferedPixels, ` for ${kindOf(header)}`);
  return pixels;
}

/**
 * Whether a photo is held in memory as a whole while decoding. Other photos are read row by row.
 */
function isBuffered({ format, isProgressive, orientation = 1, inMemory = false }: PhotoHeader): boolean {
  return inMemory || !['jpeg', 'png'].includes(format) || isProgressive || orientation > 1;
}

function kindOf({ format, isProgressive, inMemory = false }: PhotoHeader): string {
  const names: Partial<Record<string, string>> = { heif: 'AVIF', webp: 'WebP' };
  const name = names[format] ?? format.toUpperCase();
  if (isProgressive && format === 'png') return 'an interlaced PNG';
  if (isProgressive && format === 'jpeg') return 'a progressive JPEG';
  if (inMemory) return `a ${name} with its own gamma`;
  return ['jpeg', 'png'].includes(format) ? `a rotated ${name}` : `a photo in ${name}`;
}

/**
 * A bound on the total size of concurrent tasks. Each task waits, first come, first served, until
 * there is room for it; a task larger than the bound runs alone.
 */
export class Budget {
  private taken = 0;
  private readonly waiting: { readonly size: number; readonly start: () => void }[] = [];

  constructor(private readonly limit: number) {}

  /** Runs a task of this size as soon as there is room for it. */
  async run<T>(size: number, task: () => Promise<T>): Promise<T> {
    const share = Math.min(size, this.limit);
    if (this.waiting.length > 0 || this.taken + share > this.limit) {
      await new Promise<void>((start) => this.waiting.push({ size: share, start }));
    } else {
      this.taken += share;
    }
    try {
      return await task();
    } finally {
      this.taken -= share;
      while (this.waiting.length > 0 && this.taken + this.waiting[0].size <= this.limit) {
        const next = this.waiting.shift()!;
        this.taken += next.size;
        next.start();
      }
    }
  }
}
