import { CaptionerError } from '../errors.js';
import { photoFormat, unreadFormat } from '../images/format.js';
import { defaultMaxPixels } from '../images/photo-limits.js';
import { squash, type PixelSource } from '../images/squash.js';
import type { SentPhoto } from './messages.js';

/**
 * A photo as the square of RGB bytes that an encoder expects, close to what `decodePhoto` gives in
 * Node. The browser decodes the file; EXIF orientation is applied, colours become sRGB, and
 * transparent areas white. The browser's own scaling is not used: it differs from one to the next.
 *
 * @returns RGB bytes, [size, size, 3].
 * @throws CaptionerError `bad-image`: it is not a photo that this browser reads, or too large.
 */
export async function photoPixels(photo: SentPhoto, size: number): Promise<Uint8Array> {
  if (photo instanceof ImageData) return squash(imageRows(photo), size);
  const bitmap = photo instanceof Blob ? await decode(photo) : photo;
  try {
    const { width, height } = bitmap;
    if (width * height > defaultMaxPixels) {
      const most = defaultMaxPixels.toLocaleString('en');
      throw new CaptionerError('bad-image', `The photo has too many pixels: more than ${most} are not decoded.`);
    }
    return squash(bitmapRows(bitmap), size);
  } finally {
    bitmap.close();
  }
}

async function decode(file: Blob): Promise<ImageBitmap> {
  const name = file instanceof File && file.name ? file.name : 'The file';
  if (file.size === 0) throw new CaptionerError('bad-image', `${name} is empty.`);
  try {
    return await createImageBitmap(file, { imageOrientation: 'from-image', premultiplyAlpha: 'none' });
  } catch (cause) {
    throw new CaptionerError('bad-image', await refusal(file, name), { cause });
  }
}

/** Says why a browser does not decode a file. */
async function refusal(file: Blob, name: string): Promise<string> {
  const start = new Uint8Array(await file.slice(0, 64).arrayBuffer());
  const format = photoFormat(start)?.toUpperCase();
  if (format === 'HEIC' || format === 'TIFF')
    return `${name} is a ${format}, which this browser does not read. Save it as JPEG or PNG.`;
  if (format !== undefined) return `${name} is damaged or cut short.`;
  const unread = unreadFormat(start);
  if (unread) return `${name} is ${unread.kind}, which is not read. ${unread.remedy}`;
  return `${name} is not a photo that this browser reads. Choose a JPEG, PNG, WebP, GIF or AVIF.`;
}

function imageRows({ data, width, height }: ImageData): PixelSource {
  const readRows = (first: number, count: number) => {
    const rows = data.slice(first * width * 4, (first + count) * width * 4);
    for (let i = 0; i < rows.length; i += 4) {
      const opacity = rows[i + 3] / 255;
      if (opacity < 1) for (let c = i; c < i + 3; c++) rows[c] = 255 + (rows[c] - 255) * opacity;
    }
    return rows;
  };
  return { width, height, readRows };
}

function bitmapRows(bitmap: ImageBitmap): PixelSource {
  const { width, height } = bitmap;
  let canvas: OffscreenCanvas | undefined;
  const readRows = (first: number, count: number) => {
    if (canvas?.height !== count) canvas = new OffscreenCanvas(width, count);
    const context = canvas.getContext('2d', { willReadFrequently: true })!;
    context.fillStyle = '#fff';
    context.fillRect(0, 0, width, count);
    context.drawImage(bitmap, 0, -first);
    return context.getImageData(0, 0, width, count, { colorSpace: 'srgb' }).data;
  };
  return { width, height, readRows };
}
