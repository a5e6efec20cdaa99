import type { Sharp, SharpOptions } from 'sharp';
import { CaptionerError } from '../errors.js';
import { decodeBmp } from './bmp.js';
import { photoFormat, photoFormats, unreadFormat, unreadFormatOfName, type PhotoFormat } from './format.js';
import { toSrgb } from './colour-profile.js';
import { decodeHeic } from './heic.js';
import { heifProfile } from './heif-profile.js';
import { Gate } from './gate.js';
import { jpegFrame, mendJpeg } from './jpeg.js';
import { countedPixels, defaultMaxPixels, type Budget, type PhotoHeader, type PhotoLimits } from './photo-limits.js';
import type { RawPhoto } from './raw-photo.js';
import { readPhotoFile } from './read-photo.js';
import { canResize, resizeRgb } from './resize.js';
import { applyGamma, needsRange, ownGamma, scaleToBytes } from './sample-range.js';
import { resizeHere, resizeInLibvips, resizesHere, type Resize } from './square.js';
import type { View } from './view.js';

export { normalise } from './normalise.js';

/** Options of {@link decodePhoto}. */
export interface PhotoOptions extends Pick<PhotoLimits, 'maxPixels' | 'maxBufferedPixels'> {
  /**
   * Pixels that all photos sharing this budget may have in memory; a photo waits until there is
   * room.
   */
  readonly budget?: Budget;
  /** Deadline on the clock of `performance.now()`. Default: none. */
  readonly deadline?: number;
  /** View of the photo to take. Default: the whole photo. */
  readonly view?: View;
}

type SharpLibrary = (typeof import('sharp'))['default'];

/**
 * Reads a photo as the square of RGB bytes that an encoder expects.
 *
 * Reads JPEG, PNG, WebP, GIF (first frame), TIFF (first page), AVIF, HEIC and BMP, recognized by
 * content, whatever the file is called. EXIF orientation is applied. Grey, CMYK, 16-bit and
 * profiled photos become 8-bit sRGB. Transparent areas become white. The numbers of a TIFF of
 * floats or 32-bit integers are scaled by their range, the colours of a PNG by its gamma. The photo
 * is squashed to a square without keeping its aspect ratio, so that nothing is cut off.
 *
 * Harmless oddities in the data (extra bytes, wrong headers, no end marker) are ignored. A photo
 * that is cut short or damaged is refused, although a decoder could fill the rest with grey: its
 * caption would describe something that is not there.
 *
 * @param source path of a file, or the bytes of a file.
 * @param size width and height of the square, in pixels.
 * @returns RGB bytes, [size, size, 3].
 * @throws CaptionerError `not-found`: there is no such file. `bad-image`: it is empty, cut short,
 *   damaged, not a photo, or too large. `timeout`: it takes too long.
 */
export async function decodePhoto(
  source: string | Uint8Array,
  size: number,
  options: PhotoOptions = {},
): Promise<Uint8Array> {
  const name = typeof source === 'string' ? source : 'The file';
  const bytes = typeof source === 'string' ? await readPhotoFile(source) : source;
  if (bytes.length === 0) throw new CaptionerError('bad-image', `${name} is empty.`);
  const format = photoFormat(bytes);
  // The RAW files of most cameras are TIFF inside; a TIFF reader would find their thumbnail.
  const named = format === undefined || format === 'tiff' ? unreadFormatOfName(name) : undefined;
  const unread = format === undefined ? (unreadFormat(bytes) ?? named) : named;
  if (unread) {
    throw new CaptionerError('bad-image', `${name} is ${unread.kind}, which is not supported. ${unread.remedy}`);
  }
  if (!format) throw new CaptionerError('bad-image', `${name} is not a photo: ${photoFormats}.`);
  const { maxPixels = defaultMaxPixels, maxBufferedPixels = maxPixels, budget } = options;
  const most = isRaw(format) ? maxBufferedPixels : maxPixels;
  const refuse = (error: unknown): never => {
    throw explain(error as Error, name, format, most);
  };
  const header = isRaw(format) ? undefined : await headerOf(bytes, format, options).catch(refuse);
  // The size of a HEIC or BMP is known only after decoding.
  const pixels = header ? countedPixels(header, name, options) : maxBufferedPixels;
  const limits = { ...options, maxPixels: most };
  const resize = header && resizesHere(header, format, size, options.view) ? resizeHere : resizeInLibvips;
  const square = () =>
    decoders
      .together(() => squash(bytes, format, size, limits, resize))
      .catch((error: unknown) => {
        if (format !== 'jpeg' || /pixel limit|^timeout/.test((error as Error).message)) throw error;
        return decoders.alone(() => squashDamagedJpeg(bytes, size, limits, resize));
      });
  return await (budget ? budget.run(pixels, square) : square()).catch(refuse);
}

/** Whether a format is decoded to raw pixels before sharp resizes them. */
function isRaw(format: PhotoFormat): boolean {
  return format === 'heic' || format === 'bmp';
}

async function headerOf(
  bytes: Uint8Array,
  format: PhotoFormat,
  { maxPixels = defaultMaxPixels, maxBufferedPixels = maxPixels }: PhotoLimits,
): Promise<PhotoHeader> {
  const frame = format === 'jpeg' ? jpegFrame(bytes) : undefined;
  // Reading the whole header takes a tenth of the time of decoding a small photo. Its orientation matters to large ones.
  if (frame && frame.width * frame.height <= Math.min(maxPixels, maxBufferedPixels)) {
    return { ...frame, format: 'jpeg', depth: 'uchar' };
  }
  const sharp = await loadSharp();
  const header = await decoders.together(() => sharp(bytes, { limitInputPixels: false }).metadata());
  return { ...header, inMemory: format === 'png' && ownGamma(bytes) !== undefined };
}

/**
 * libvips collects the error messages of all threads in one place, where each decoding clears them.
 * The messages about a damaged JPEG decide what becomes of it, so it is examined by itself.
 */
const decoders = new Gate();

/** Opens bytes with sharp, within the limits of pixels and time. */
async function openerFor({ maxPixels = defaultMaxPixels, deadline = Infinity }: PhotoOptions) {
  const sharp = await loadSharp();
  const seconds = Math.ceil((deadline - performance.now()) / 1000);
  if (seconds <= 0) throw new Error('timeout');
  return (data: Uint8Array, options: SharpOptions = {}): Sharp => {
    const photo = sharp(data, { failOn: 'error', limitInputPixels: maxPixels, autoOrient: true, ...options });
    return seconds <= 3600 ? photo.timeout({ seconds }) : photo;
  };
}

/** Decodes a JPEG that libjpeg warns about, if enough of it is there. */
async function squashDamagedJpeg(
  bytes: Uint8Array,
  size: number,
  options: PhotoOptions,
  resize: Resize,
): Promise<Uint8Array> {
  const open = await openerFor(options);
  return await resize(open(await mendJpeg(bytes, open), { failOn: 'none' }), size, options.view);
}

/** Decodes a file of a known format. */
async function squash(
  bytes: Uint8Array,
  format: PhotoFormat,
  size: number,
  { maxPixels = defaultMaxPixels, deadline = Infinity, view }: PhotoOptions,
  resize: Resize,
): Promise<Uint8Array> {
  const sharp = await loadSharp();
  const open = await openerFor({ maxPixels, deadline });
  const openRaw = ({ data, width, height, channels }: RawPhoto) => sharp(data, { raw: { width, height, channels } });
  if (format === 'heic') {
    const profile = heifProfile(bytes);
    const convert = profile && ((rgb: Uint8Array) => toSrgb(rgb, size, profile, sharp));
    return await resize(openRaw(await decodeHeic(bytes, maxPixels)), size, view, convert);
  }
  if (format === 'bmp') return await resize(openRaw(decodeBmp(bytes, maxPixels)), size, view);
  if (format === 'tiff') {
    const metadata = await open(bytes).metadata();
    // All numbers are in memory at once.
    const photo = () => open(bytes, { limitInputPixels: Math.ceil(maxPixels / 4) });
    if (needsRange(metadata)) return await resize(openRaw(await scaleToBytes(photo(), metadata)), size, view);
  }
  const gamma = format === 'png' ? ownGamma(bytes) : undefined;
  if (gamma !== undefined) {
    const photo = await applyGamma(open(bytes), await open(bytes).metadata(), gamma);
    return await resize(openRaw(photo), size, view);
  }
  return await resize(open(bytes, { failOn: format === 'jpeg' ? 'warning' : 'error' }), size, view);
}

/** Messages of decoders about files that are sound but of a kind they cannot read. */
const unreadKind = /are not read|samples out of range|bad labq format|no known route/;

function explain(error: Error, name: string, format: PhotoFormat, maxPixels: number): CaptionerError {
  const reason = error.message.trim().split('\n')[0];
  if (reason.startsWith('timeout')) {
    return new CaptionerError('timeout', `${name} takes too long to decode. Make it smaller, or convert it to JPEG.`, {
      cause: error,
    });
  }
  const sentence = reason.includes('pixel limit')
    ? `${name} has too many pixels: the limit is ${maxPixels.toLocaleString('en')}.`
    : unreadKind.test(reason)
      ? `${name} is a ${format.toUpperCase()} of an unsupported kind (${reason}). Save it as PNG or JPEG.`
      : `${name} is damaged or cut short (${reason}).`;
  return new CaptionerError('bad-image', sentence, { cause: error });
}

/**
 * Resizes a square of RGB bytes from [from, from, 3] to [to, to, 3], as {@link decodePhoto} does.
 */
export async function resizeSquare(rgb: Uint8Array, from: number, to: number): Promise<Uint8Array> {
  const image = { data: rgb, width: from, height: from };
  if (canResize(image, to)) return resizeRgb(image, to);
  const sharp = await loadSharp();
  const square = sharp(rgb, { raw: { width: from, height: from, channels: 3 } }).resize(to, to, { fit: 'fill' });
  const data = await decoders.together(() => square.raw({ depth: 'uchar' }).toBuffer());
  return new Uint8Array(data.buffer, data.byteOffset, data.length);
}

let loading: Promise<SharpLibrary> | undefined;

/** Loads sharp with the first photo: it takes a tenth of a second. */
function loadSharp(): Promise<SharpLibrary> {
  loading ??= import('sharp').then(({ default: sharp }) => {
    // Each photo is decoded once, on one thread; several photos are decoded in parallel.
    sharp.cache(false);
    sharp.concurrency(1);
    return sharp;
  });
  return loading;
}
