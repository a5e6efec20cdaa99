/** Scripts that are written without spaces between words: Chinese, Japanese, Thai, Lao, Khmer, Burmese, with their punctuation. */
const spaceless = String.raw`[\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Thai}\p{scx=Lao}\p{scx=Khmer}\p{scx=Myanmar}]`;
const run = new RegExp(`${spaceless}+`, 'gu');
const ends = new RegExp(`${spaceless}$`, 'u');
const begins = new RegExp(`^${spaceless}`, 'u');
/** Marks that other scripts use, too: the middle dot, for instance. */
const isText = /[\p{L}\p{N}]/u;

let segmenter: Intl.Segmenter | undefined;

/** The words of a text, by Unicode's rules (UAX 29) and, in scripts without spaces, the dictionaries of ICU. */
export function segmentWords(text: string): string[] {
  segmenter ??= new Intl.Segmenter('en', { granularity: 'word' });
  return [...segmenter.segment(text)].flatMap(({ segment, isWordLike }) => (isWordLike ? [segment] : []));
}

/**
 * A text with spaces around each word of a script that is written without them. Everything else stays
 * unchanged.
 */
export function separateWords(text: string): string {
  return text.replace(run, (part) => (isText.test(part) ? ` ${segmentWords(part).join(' ')} ` : part));
}

/** Whether two words are adjacent without a space between them. */
export function areWrittenTogether(left: string, right: string): boolean {
  return ends.test(left) && begins.test(right);
}
