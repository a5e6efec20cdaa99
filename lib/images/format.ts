/** The kinds of photo that are read. */
export type PhotoFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

/** Names that files of these kinds usually end in. */
export const photoExtensions = ['jpg', 'jpeg', 'jpe', 'jfif', 'png', 'webp', 'gif', 'tif', 'tiff', 'avif'] as const;

/** Bytes from a file's beginning that {@link photoFormat} wants to see. */
export const formatBytes = 64;

/**
 * Tells a photo by the first bytes of its file, not by its name.
 * Signatures: https://www.iana.org/assignments/media-types, for AVIF the `ftyp` box of ISO/IEC 14496-12.
 */
export function photoFormat(bytes: Uint8Array): PhotoFormat | undefined {
  const text = (start: number, end: number) => String.fromCharCode(...bytes.subarray(start, end));
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'jpeg';
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  if (text(0, 6) === 'GIF87a' || text(0, 6) === 'GIF89a') return 'gif';
  // Little or big endian; 42 is TIFF, 43 BigTIFF.
  if (['II*\0', 'II+\0', 'MM\0*', 'MM\0+'].includes(text(0, 4))) return 'tiff';
  if (text(4, 8) === 'ftyp') {
    const boxEnd = Math.min(formatBytes, ((bytes[2] << 8) | bytes[3]) >>> 0);
    for (let brand = 8; brand + 4 <= boxEnd; brand += 4) {
      if (text(brand, brand + 4) === 'avif' || text(brand, brand + 4) === 'avis') return 'avif';
    }
  }
  return undefined;
}
