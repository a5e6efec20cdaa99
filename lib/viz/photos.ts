import { readFile } from 'node:fs/promises';

/** A photo to draw: a file, the bytes of a file, or pixels in the format of an encoder. */
export type ImageSource = string | Uint8Array | { readonly rgb: Uint8Array; readonly size: number };

/**
 * A photo as a `data:` URL of a JPEG small enough for a page, so that figures are self-contained.
 *
 * @param width in pixels; smaller photos are not enlarged.
 * @param square whether to squash it to a square, as encoders see it; otherwise it keeps its shape.
 */
export async function photoUrl(
  photo: ImageSource,
  width = 320,
  square = false,
): Promise<{ url: string; width: number; height: number }> {
  const { default: sharp } = await import('sharp');
  const image =
    typeof photo === 'object' && 'rgb' in photo
      ? sharp(photo.rgb, { raw: { width: photo.size, height: photo.size, channels: 3 } })
      : sharp(typeof photo === 'string' ? await readFile(photo) : photo, { autoOrient: true });
  const resized = square
    ? image.resize(width, width, { fit: 'fill' })
    : image.resize({ width, height: width, fit: 'inside', withoutEnlargement: true });
  const { data, info } = await resized
    .flatten({ background: '#ffffff' })
    .jpeg({ quality: 80, mozjpeg: true })
    .toBuffer({ resolveWithObject: true });
  return { url: `data:image/jpeg;base64,${data.toString('base64')}`, width: info.width, height: info.height };
}
