/** Photos on their way in. They are made smaller before they are sent: the captioner sees a few hundred pixels anyway. */

import { drawingOn, jpegOf } from './dom.js';
import type { Photo } from './source.js';

/** Longest side of what is sent, in pixels. */
const side = 1024;
/** Longest side of what is remembered. */
const thumbnailSide = 480;

/** A photo to send. A file that the browser cannot read is sent as it is: the service reads more formats and says what is wrong. */
export async function takeIn(file: File): Promise<Photo> {
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

/** A smaller copy, to remember. */
export async function thumbnail(blob: Blob): Promise<Blob> {
  const bitmap = await createImageBitmap(blob);
  const small = await scaled(bitmap, thumbnailSide);
  bitmap.close();
  return small;
}

/** The files among those chosen, dropped or pasted. */
export function filesOf(source: { readonly files: FileList | null } | null): File[] {
  return [...(source?.files ?? [])];
}

async function scaled(bitmap: ImageBitmap, longest: number): Promise<Blob> {
  const scale = Math.min(1, longest / Math.max(bitmap.width, bitmap.height));
  const canvas = document.createElement('canvas');
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = drawingOn(canvas);
  context.fillStyle = '#fff'; // transparent pixels, as the service sees them
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return jpegOf(canvas, 0.92);
}
