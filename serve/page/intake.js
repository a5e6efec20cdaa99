/** Photos on their way in: made smaller before they are sent, because the captioner looks at them in a few hundred pixels anyway. */

import { drawingOn, jpegOf } from './dom.js';

/** @import { Photo } from './api.js' */

const side = 1024;
const thumbnailSide = 480;

/**
 * A photo to send. What the browser can't read is sent as it is: the service may know better, or says what is wrong.
 * @param {File} file
 * @returns {Promise<Photo>}
 */
export async function takeIn(file) {
  const name = file.name || 'photo';
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return { name, blob: file };
  }
  const blob = Math.max(bitmap.width, bitmap.height) > side || file.size > 1e6 ? await scaled(bitmap, side) : file;
  bitmap.close();
  return { name, blob, url: URL.createObjectURL(blob) };
}

/**
 * A smaller copy, to remember.
 * @param {Blob} blob
 */
export async function thumbnail(blob) {
  const bitmap = await createImageBitmap(blob);
  const small = await scaled(bitmap, thumbnailSide);
  bitmap.close();
  return small;
}

/**
 * The files among what was chosen, dropped or pasted.
 * @param {{ readonly files: FileList | null } | null} source
 */
export function filesOf(source) {
  return [...(source?.files ?? [])];
}

/**
 * @param {ImageBitmap} bitmap
 * @param {number} longest
 */
async function scaled(bitmap, longest) {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = drawingOn(canvas);
  context.fillStyle = '#fff'; // what is transparent, as the service sees it
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return jpegOf(canvas, 0.92);
}
