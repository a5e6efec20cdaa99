import type { Metadata } from 'sharp';
import { CaptionerError } from '../errors.js';

/** Limits on the photos that are decoded: a file of a few kilobytes can ask for gigabytes of memory. */
export interface PhotoLimits {
  /** Pixels of one photo. Default: {@link defaultMaxPixels}. */
  readonly maxPixels?: number;
  /**
   * Pixels of one photo that is held in memory as a whole while it is decoded: AVIF, HEIC, WebP, GIF, TIFF, BMP, an interlaced PNG, a progressive
   * JPEG, or a rotated photo. They take up to 20 bytes a pixel. Default: `maxPixels`.
   */
  readonly maxBufferedPixels?: number;
  /** Pixels of all photos that are decoded at the same time. Default: {@link defaultMaxPixels}. */
  readonly maxPixelsInFlight?: number;
}

/** 134 megapixels: more than the frame of any phone or camera. */
export const defaultMaxPixels = 2 ** 27;

/** Channels of a photo: at most cyan, magenta, yellow, black and transparency. */
const maxChannels = 5;

/** Bytes of a channel. All pixel limits count a pixel of 16-bit channels as two. */
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

/** The header of a photo, as far as its memory depends on it. */
export interface PhotoHeader extends Pick<
  Metadata,
  'width' | 'height' | 'depth' | 'format' | 'isProgressive' | 'orientation'
> {
  readonly channels: number;
  /** Whether it is in memory as a whole for another reason than its format. */
  readonly inMemory?: boolean;
}

/**
 * The pixels that a photo counts for, by its header.
 * @param name the photo's name in messages.
 * @throws CaptionerError `bad-image` where it exceeds a limit.
 */
export function countedPixels(
  header: PhotoHeader,
  name: string,
  { maxPixels = defaultMaxPixels, maxBufferedPixels = maxPixels }: PhotoLimits = {},
): number {
  const { width, height, channels, depth } = header;
  if (channels > maxChannels) {
    throw new CaptionerError('bad-image', `${name} has ${channels} channels: a photo has at most ${maxChannels}.`);
  }
  const pixels = width * height * (depths[depth] ?? 1);
  const refuse = (most: number, which: string) => {
    const sentence = `${name} has too many pixels: more than ${most.toLocaleString('en')} are not decoded${which}.`;
    return new CaptionerError('bad-image', sentence);
  };
  if (pixels > maxPixels) throw refuse(maxPixels, '');
  if (pixels > maxBufferedPixels && isBuffered(header)) throw refuse(maxBufferedPixels, ` of ${kindOf(header)}`);
  return pixels;
}

/** Whether a photo is in memory as a whole while it is decoded. Any other is read row by row. */
function isBuffered({ format, isProgressive, orientation = 1, inMemory = false }: PhotoHeader): boolean {
  return inMemory || !['jpeg', 'png'].includes(format) || isProgressive || orientation > 1;
}

function kindOf({ format, isProgressive, inMemory = false }: PhotoHeader): string {
  const names: Partial<Record<string, string>> = { heif: 'AVIF', webp: 'WebP' };
  const name = names[format] ?? format.toUpperCase();
  if (isProgressive && format === 'png') return 'an interlaced PNG';
  if (isProgressive && format === 'jpeg') return 'a progressive JPEG';
  if (inMemory) return `a ${name} with a gamma of its own`;
  return ['jpeg', 'png'].includes(format) ? `a rotated ${name}` : `a photo in ${name}`;
}

/**
 * A bound on what several tasks hold at the same time. Each waits, first come first served, until there is room for it; a task larger
 * than the bound runs alone.
 */
export class Budget {
  private taken = 0;
  private readonly waiting: { readonly size: number; readonly start: () => void }[] = [];

  constructor(private readonly limit: number) {}

  /** Runs a task of this size when there is room for it. */
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
