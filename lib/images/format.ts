/** The supported photo formats. */
export type PhotoFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif' | 'heic' | 'bmp';

/** The supported formats in words. */
export const photoFormats = 'JPEG, PNG, WebP, GIF, TIFF, AVIF, HEIC or BMP';

/** Usual file extensions of these formats. */
const photoExtensions = new Set('jpg jpeg jpe jfif png webp gif tif tiff avif heic heif hif bmp dib'.split(' '));

/** Number of bytes at the beginning of a file that {@link photoFormat} and {@link unreadFormat} look at. */
export const formatBytes = 64;

/** Whether a file name has the extension of a photo. */
export function isNamedLikePhoto(file: string): boolean {
  return photoExtensions.has(extensionOf(file));
}

/**
 * The format of a photo, recognized by the first bytes of its file, whatever its name. Signatures:
 * https://www.iana.org/assignments/media-types; for AVIF and HEIC the `ftyp` box of ISO/IEC
 * 14496-12.
 */
export function photoFormat(bytes: Uint8Array): PhotoFormat | undefined {
  const text = textOf(bytes);
  if (bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff) return 'jpeg';
  if (text(0, 8) === '\x89PNG\r\n\x1a\n') return 'png';
  if (text(0, 4) === 'RIFF' && text(8, 12) === 'WEBP') return 'webp';
  if (text(0, 6) === 'GIF87a' || text(0, 6) === 'GIF89a') return 'gif';
  // Little or big endian; 42 is TIFF, 43 BigTIFF.
  if (['II*\0', 'II+\0', 'MM\0*', 'MM\0+'].includes(text(0, 4))) return text(8, 10) === 'CR' ? undefined : 'tiff';
  const brands = heifBrands(bytes);
  if (brands.some((brand) => brand === 'avif' || brand === 'avis')) return 'avif';
  if (brands.some((brand) => /^(?:he(?:ic|ix|im|is|vc|vx)|mif1|msf1)$/.test(brand))) return 'heic';
  // The header that follows the 14 bytes of the file header begins with its length.
  if (text(0, 2) === 'BM' && [12, 40, 52, 56, 64, 108, 124].includes(bytes[14]) && !bytes[15]) return 'bmp';
  return undefined;
}

/** An unsupported picture format. */
export interface UnreadFormat {
  /** `a RAW photo` */
  readonly kind: string;
  /** A sentence on how to convert it to a supported format. */
  readonly remedy: string;
}

const formats = {
  raw: { kind: 'a RAW photo', remedy: 'Export it as JPEG with the software of the camera.' },
  svg: { kind: 'an SVG drawing', remedy: 'Export it as PNG.' },
  pdf: { kind: 'a PDF', remedy: 'Export its pages as PNG.' },
  jp2: { kind: 'a JPEG 2000 photo', remedy: 'Convert it to JPEG.' },
  jxl: { kind: 'a JPEG XL photo', remedy: 'Convert it to JPEG.' },
  psd: { kind: 'a Photoshop file', remedy: 'Export it as PNG.' },
  other: { kind: 'an image of another format', remedy: 'Convert it to PNG.' },
} satisfies Record<string, UnreadFormat>;

const unreadExtensions: Readonly<Record<keyof typeof formats, string>> = {
  raw: '3fr arw cr2 cr3 crw dcr dng erf iiq kdc mef mos mrw nef nrw orf pef raf raw rw2 rwl sr2 srf srw x3f',
  svg: 'svg svgz',
  pdf: 'pdf ai eps',
  jp2: 'jp2 j2k jpf jpx jpm j2c jpc',
  jxl: 'jxl jxr wdp',
  psd: 'psd psb xcf',
  other: 'ico cur tga pcx ppm pgm pbm pnm exr hdr dds fits xpm xbm',
};

const unreadByExtension = new Map(
  (Object.keys(formats) as (keyof typeof formats)[]).flatMap((name) =>
    unreadExtensions[name].split(' ').map((extension): [string, UnreadFormat] => [extension, formats[name]]),
  ),
);

/** The unsupported picture format of a file, by the extension of its name. */
export function unreadFormatOfName(file: string): UnreadFormat | undefined {
  return unreadByExtension.get(extensionOf(file));
}

/**
 * The beginning of an SVG: an optional byte order mark (as Latin-1), declaration and comment, then
 * the first element.
 */
const svgStart = /^(?:\u00ef\u00bb\u00bf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--[^>]*-->\s*)?<(?:svg|!DOCTYPE svg)/;

/** The unsupported picture format of a file, by its first bytes. */
export function unreadFormat(bytes: Uint8Array): UnreadFormat | undefined {
  const text = textOf(bytes);
  if (text(0, 4) === '%PDF') return formats.pdf;
  if (svgStart.test(text(0, 512))) return formats.svg;
  if (text(4, 8) === 'jP  ' || text(0, 4) === '\xff\x4f\xff\x51') return formats.jp2;
  if (text(4, 8) === 'JXL ' || text(0, 2) === '\xff\x0a') return formats.jxl;
  if (text(0, 4) === '8BPS' || text(0, 8) === 'gimp xcf') return formats.psd;
  // Canon CR2 and CR3, Fujifilm, Olympus, Panasonic, Minolta, Sigma. Files of other cameras are TIFF inside.
  const isRaw =
    text(8, 10) === 'CR' ||
    text(4, 12) === 'ftypcrx ' ||
    /^(?:FUJIFILM|IIRO|IIRS|MMOR|IIU\0|\0MRM|FOVb)/.test(text(0, 8));
  return isRaw ? formats.raw : undefined;
}

/** The brands that the `ftyp` box of a file lists, the major one first. */
function heifBrands(bytes: Uint8Array): string[] {
  const text = textOf(bytes);
  if (text(4, 8) !== 'ftyp') return [];
  const boxEnd = Math.min(formatBytes, ((bytes[2] << 8) | bytes[3]) >>> 0);
  const brands: string[] = [];
  for (let at = 8; at + 4 <= boxEnd; at += 4) brands.push(text(at, at + 4));
  return brands;
}

function textOf(bytes: Uint8Array): (start: number, end: number) => string {
  return (start, end) => String.fromCharCode(...bytes.subarray(start, end));
}

/** `jpg` of `a/B.JPG`. */
function extensionOf(file: string): string {
  return /\.([^./\\]+)$/.exec(file)?.[1].toLowerCase() ?? '';
}
