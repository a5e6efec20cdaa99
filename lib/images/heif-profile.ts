/** The colours of a HEIF file: an ICC profile, or Display P3 by its number in ITU-T H.273. */
export type HeifProfile = Uint8Array | 'display-p3';

/** A box of the ISO base media file format (ISO/IEC 14496-12, 4.2): type, and content. */
interface Box {
  readonly type: string;
  readonly content: Uint8Array;
}

/** `ColourPrimaries` of Display P3 in ITU-T H.273. */
const displayP3 = 12;

/**
 * The colours of the photo in a HEIF file, from its `colr` boxes (ISO/IEC 14496-12, 12.1.5). An ICC
 * profile takes precedence over numbers.
 * @returns undefined if there is none, or if the numbers are not those of Display P3.
 */
export function heifProfile(file: Uint8Array): HeifProfile | undefined {
  const meta = child(file, 'meta')?.subarray(4); // version and flags come first
  const properties = child(child(meta, 'iprp'), 'ipco');
  const colours = properties ? boxes(properties).filter(({ type }) => type === 'colr') : [];
  const kinds = colours.map(({ content }) => ({ kind: text(content, 0), content: content.subarray(4) }));
  const profile = kinds.find(({ kind }) => kind === 'prof' || kind === 'rICC');
  if (profile) return profile.content;
  const numbers = kinds.find(({ kind }) => kind === 'nclx')?.content;
  return numbers && numbers.length >= 2 && (numbers[0] << 8) + numbers[1] === displayP3 ? 'display-p3' : undefined;
}

function child(parent: Uint8Array | undefined, type: string): Uint8Array | undefined {
  return parent && boxes(parent).find((box) => box.type === type)?.content;
}

/** The boxes in a part of a file, up to the first that is damaged. */
function boxes(part: Uint8Array): Box[] {
  const found: Box[] = [];
  const view = new DataView(part.buffer, part.byteOffset, part.length);
  for (let at = 0; at + 8 <= part.length;) {
    const short = view.getUint32(at);
    const head = short === 1 ? 16 : 8;
    if (at + head > part.length) break;
    // 1: a length of 64 bits follows the type; 0: the box reaches to the end.
    const length = short === 1 ? Number(view.getBigUint64(at + 8)) : short === 0 ? part.length - at : short;
    if (length < head || at + length > part.length) break;
    found.push({ type: text(part, at + 4), content: part.subarray(at + head, at + length) });
    at += length;
  }
  return found;
}

const text = (bytes: Uint8Array, at: number) => String.fromCharCode(...bytes.subarray(at, at + 4));
