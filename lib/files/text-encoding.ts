import { CaptionerError } from '../errors.js';

/**
 * The text of a file's bytes, without a byte order mark.
 *
 * @param name of the file, for messages.
 * @param encoding a name that `TextDecoder` knows, such as `windows-1252`. Default: UTF-8, or UTF-16 if the bytes begin with its byte order mark.
 * @throws CaptionerError `bad-input`: the bytes are not text in this encoding; the message names the line and the likely encoding.
 *   `bad-option`: an unknown encoding.
 */
export function decodeText(bytes: Uint8Array, name: string, encoding?: string): string {
  const used = encoding ?? markedEncoding(bytes) ?? 'utf-8';
  const strict = decoder(used);
  try {
    const text = strict.decode(bytes);
    return strict.encoding === 'windows-1252' ? text.replace(/[\x80-\x9f]/g, windowsCharacter) : text;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    const at = firstInvalidLine(bytes, used);
    const likely = encoding === undefined ? likelyEncoding(bytes) : undefined;
    const remedy = likely
      ? `It looks like ${likely.title}. Save it as UTF-8, or pass --encoding ${likely.label} to a command that reads a data set.`
      : 'Save it as UTF-8, or pass its --encoding to a command that reads a data set.';
    const place = at === undefined ? '' : `: line ${at.line}, "${at.text}"`;
    throw new CaptionerError('bad-input', `${name} is not ${titleOf(used)} text${place}. ${remedy}`, { cause: error });
  }
}

/**
 * The text of a part of a file, with marks in place of what can't be decoded.
 * @param encoding see {@link decodeText}.
 * @throws CaptionerError `bad-option`: an unknown encoding.
 */
export function decodePart(bytes: Uint8Array, encoding?: string): string {
  return new TextDecoder(decoder(encoding ?? markedEncoding(bytes) ?? 'utf-8').encoding).decode(bytes);
}

/** Characters of the bytes 0x80 to 0x9f in Windows-1252, for which some versions of Node give control characters. */
const windows1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';
const windowsCharacter = (control: string) => windows1252[control.charCodeAt(0) - 0x80];

function decoder(encoding: string): InstanceType<typeof TextDecoder> {
  try {
    return new TextDecoder(encoding, { fatal: true });
  } catch (cause) {
    throw new CaptionerError(
      'bad-option',
      `Unknown encoding '${encoding}': utf-8, utf-16le, latin1, windows-1252, shift_jis, gb18030, big5 and euc-kr are some of the known ones.`,
      { cause },
    );
  }
}

/** UTF-16, if the first two bytes are its byte order mark. */
function markedEncoding(bytes: Uint8Array): string | undefined {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return 'utf-16be';
  return undefined;
}

/** The first line that can't be decoded, counted from 1, and its beginning with marks in place of the invalid bytes. */
function firstInvalidLine(bytes: Uint8Array, encoding: string): { line: number; text: string } | undefined {
  if (encoding.startsWith('utf-16')) return undefined;
  const strict = decoder(encoding);
  for (let line = 1, start = 0; start < bytes.length; line++) {
    const found = bytes.indexOf(10, start);
    const end = found < 0 ? bytes.length : found;
    const part = bytes.subarray(start, end);
    try {
      strict.decode(part);
    } catch {
      const text = new TextDecoder(encoding).decode(part).trim();
      const wrong = text.indexOf('\uFFFD');
      const from = Math.max(0, wrong - 30);
      return { line, text: `${from ? '…' : ''}${text.slice(from, wrong + 20)}${text.length > wrong + 20 ? '…' : ''}` };
    }
    start = end + 1;
  }
  return undefined;
}

/** An encoding: its usual name, and the name that `TextDecoder` knows. */
interface Encoding {
  readonly title: string;
  readonly label: string;
}

/**
 * Encodings with several bytes per character, and the characters that make up at least `share` of the
 * non-ASCII characters in a text.
 */
const multibyte: readonly (Encoding & { readonly script: RegExp; readonly share: number })[] = [
  { title: 'Shift-JIS', label: 'shift_jis', script: /[\u3040-\u30FF]/u, share: 0.2 },
  { title: 'EUC-JP', label: 'euc-jp', script: /[\u3040-\u30FF]/u, share: 0.2 },
  { title: 'EUC-KR', label: 'euc-kr', script: /\p{Script=Hangul}/u, share: 0.8 },
  { title: 'GB 18030', label: 'gb18030', script: /[\u4E00-\u9FFF\u3000-\u3002\uFF0C]/u, share: 0.9 },
  { title: 'Big5', label: 'big5', script: /[\u4E00-\u9FFF\u3000-\u3002\uFF0C]/u, share: 0.9 },
];

function likelyEncoding(bytes: Uint8Array): Encoding | undefined {
  const zeros = [0, 1].map((odd) => bytes.filter((byte, i) => byte === 0 && i % 2 === odd).length);
  if (Math.max(...zeros) > bytes.length / 8) {
    return zeros[1] > zeros[0]
      ? { title: 'UTF-16 (little endian)', label: 'utf-16le' }
      : { title: 'UTF-16 (big endian)', label: 'utf-16be' };
  }
  const high = bytes.filter((byte) => byte >= 0x80);
  const shareOf = (count: number) => count / Math.max(1, high.length);
  // Cyrillic words are of such bytes alone, most of them small letters; letters with accents stand between others.
  const inRows = shareOf(bytes.filter((byte, i) => byte >= 0xc0 && bytes[i + 1] >= 0xc0).length);
  if (inRows > 0.5 && shareOf(high.filter((byte) => byte >= 0xe0).length) > 0.7) {
    return { title: 'Windows-1251', label: 'windows-1251' };
  }
  const hasControls = high.some((byte) => byte < 0xa0);
  for (const { title, label, script, share } of multibyte) {
    if (hasControls && label !== 'shift_jis') continue;
    try {
      const beyond = [...new TextDecoder(label, { fatal: true }).decode(bytes)].filter((char) => char > '\x7f');
      if (beyond.filter((char) => script.test(char)).length >= share * beyond.length) return { title, label };
    } catch {
      continue;
    }
  }
  return hasControls ? { title: 'Windows-1252', label: 'windows-1252' } : { title: 'Latin-1', label: 'latin1' };
}

function titleOf(encoding: string): string {
  return encoding.toUpperCase();
}
