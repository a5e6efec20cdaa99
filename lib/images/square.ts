import type { Sharp } from 'sharp';
import type { PhotoFormat } from './format.js';
import type { PhotoHeader } from './photo-limits.js';
import { canResize, resizeRgb, type RgbImage } from './resize.js';
import { mirrorImage, pixelsOf, recolour, type View } from './view.js';

/**
 * Resizes a photo, or a part of it, to a square of RGB bytes.
 * @param convert converts the colours of the square to sRGB, if the photo is in other colours.
 */
export type Resize = (
  photo: Sharp,
  size: number,
  view: View | undefined,
  convert?: (rgb: Uint8Array) => Promise<Uint8Array>,
) => Promise<Uint8Array>;

/**
 * Pixels of the largest photo that is resized by {@link resizeRgb}. Beyond, the time that the garbage
 * collector takes for the pixels at full size outweighs that of libvips' pipeline.
 */
const mostPixels = 2 ** 18;

/**
 * Whether a photo is resized by {@link resizeRgb}, with the same result as libvips': a small one that
 * libvips would decode at its full size. A large JPEG or WebP it decodes at a fraction of that.
 */
export function resizesHere(header: PhotoHeader, format: PhotoFormat, size: number, view: View | undefined): boolean {
  const { width, height, depth } = header;
  if (depth !== 'uchar' || format === 'webp' || width * height > mostPixels || !canResize(header, size)) return false;
  return format !== 'jpeg' || view !== undefined || Math.min(width, height) < 3 * size;
}

export const resizeHere: Resize = async (photo, size, view) => {
  const image = await rgbOf(photo);
  const square = resizeRgb(image, size, view && pixelsOf(view, image.width, image.height));
  if (!view) return square;
  const rgb = view.mirrored ? mirrorImage(square, size) : square;
  recolour(rgb, view);
  return rgb;
};

export const resizeInLibvips: Resize = async (photo, size, view, convert) => {
  if (view) {
    const { width, height } = (await photo.metadata()).autoOrient;
    photo.extract(pixelsOf(view, width, height)).flop(view.mirrored);
  }
  const { data } = await rgbOf(photo.resize(size, size, { fit: 'fill' }));
  const rgb = convert ? await convert(data) : data;
  if (view) recolour(rgb, view);
  return rgb;
};

/** The pixels of a photo in sRGB, without transparency. */
async function rgbOf(photo: Sharp): Promise<RgbImage> {
  const { data, info } = await photo
    .flatten({ background: '#ffffff' })
    .toColourspace('srgb')
    .raw({ depth: 'uchar' })
    .toBuffer({ resolveWithObject: true });
  const { width, height, channels } = info;
  if (channels !== 3) throw new Error(`it has ${channels} channels`);
  return { data: new Uint8Array(data.buffer, data.byteOffset, data.length), width, height };
}
