import type { PhotoViews } from '../config.js';
import { CaptionerError } from '../errors.js';
import { resizeSquare } from './photo.js';
import { mirrorImage } from './view.js';

/** Views of a photo, each of which a network sees. */
export const viewCounts: Readonly<Record<PhotoViews, number>> = { one: 1, mirror: 2, crops: 12 };

/**
 * Margin on each side of a central crop. Networks for ImageNet are tested on crops of 224 pixels
 * from photos of 256.
 */
const marginOf = (size: number): number => Math.max(1, Math.round(size / 14));

/**
 * Width and height at which to decode a photo for views of `size` x `size` pixels: `size` itself,
 * or, where views are cut out of the photo, 8/7 of it, rounded to an even margin.
 */
export function decodedSize(views: PhotoViews, size: number): number {
  return views === 'crops' ? size + 2 * marginOf(size) : size;
}

/**
 * The views of a photo whose features are averaged (test-time augmentation).
 *
 * - `one`: the photo.
 * - `mirror`: the photo and its mirror image.
 * - `crops`: the photo, and the ten crops of Krizhevsky et al. 2012 (ImageNet classification with deep convolutional neural networks,
 *   4.1): its four corners and its middle, 7/8 of its width and height; each of the six is followed by its mirror image.
 *
 * @param photo RGB bytes, [s, s, 3] of the {@link decodedSize} s.
 * @param size width and height of each view.
 * @returns RGB bytes, [size, size, 3] each; the photo as a whole is the first.
 * @throws CaptionerError `bad-input`: a photo of another size.
 */
export async function viewsOfPhoto(photo: Uint8Array, size: number, views: PhotoViews): Promise<Uint8Array[]> {
  const whole = await wholeView(photo, size, views);
  if (views === 'one') return [whole];
  if (views === 'mirror') return [whole, mirrorImage(whole, size)];
  const margin = marginOf(size);
  const places = [
    [0, 0],
    [2 * margin, 0],
    [0, 2 * margin],
    [2 * margin, 2 * margin],
    [margin, margin],
  ];
  const crops = places.map(([left, top]) => cut(photo, decodedSize(views, size), left, top, size));
  return [whole, ...crops].flatMap((view) => [view, mirrorImage(view, size)]);
}

/** Only the first of {@link viewsOfPhoto}: the whole photo, [size, size, 3]. */
export async function wholeView(photo: Uint8Array, size: number, views: PhotoViews): Promise<Uint8Array> {
  const decoded = decodedSize(views, size);
  if (photo.length !== 3 * decoded ** 2) {
    throw new CaptionerError(
      'bad-input',
      `A photo of ${decoded} x ${decoded} pixels has ${3 * decoded ** 2} RGB bytes.`,
    );
  }
  return decoded === size ? photo : await resizeSquare(photo, decoded, size);
}

/** [width, width, 3] -> [size, size, 3] */
function cut(rgb: Uint8Array, width: number, left: number, top: number, size: number): Uint8Array {
  const part = new Uint8Array(3 * size * size);
  for (let y = 0; y < size; y++) {
    const start = 3 * ((top + y) * width + left);
    part.set(rgb.subarray(start, start + 3 * size), 3 * size * y);
  }
  return part;
}
