import type { Split } from './manifest.js';

/** The kinds of content of a column of a list, or a field of its JSON objects. */
export type ColumnKind = 'file' | 'caption' | 'split';

/**
 * Column names of common lists, ignoring case, blanks and punctuation. Numbers may follow those of
 * captions.
 */
const names: Readonly<Record<ColumnKind, readonly string[]>> = {
  file: [
    'file',
    'filename',
    'filepath',
    'image',
    'imagename',
    'imagefile',
    'imagefilename',
    'imagepath',
    'img',
    'path',
    'photo',
    'picture',
  ],
  caption: [
    'caption',
    'captions',
    'captiontext',
    'text',
    'texts',
    'sentence',
    'sentences',
    'description',
    'comment',
    'comments',
    'alttext',
  ],
  split: ['split', 'set', 'partition', 'subset'],
};

/** Names in words, for messages. */
export const fileColumns = 'file, file_name, filename, image, image_name or path';

/** The columns of a list by position. */
export interface Columns {
  readonly file: number;
  readonly captions: readonly number[];
  readonly split?: number;
  /** Names of unused columns. */
  readonly unused: readonly string[];
}

/**
 * Recognizes columns by their names: `file,caption,split`, `file_name,text`,
 * `image_name,comment_number,comment`, `image,caption_1,caption_2`. If different names mean the
 * same thing, the first one is used: with `caption` and `text`, `text` is ignored.
 * @returns undefined if no column names photos.
 */
export function findColumns(header: readonly string[]): Columns | undefined {
  const plain = header.map((name) =>
    name
      .normalize('NFC')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}]/gu, ''),
  );
  const first = (kind: ColumnKind, of: readonly string[]) =>
    names[kind].map((name) => of.indexOf(name)).find((column) => column >= 0);
  const file = first('file', plain);
  if (file === undefined) return undefined;
  const split = first('split', plain);
  const stems = plain.map((name) => name.replace(/\d+$/, ''));
  const stem = names.caption.find((name) => stems.includes(name));
  const captions = stems.flatMap((name, column) => (name === stem ? [column] : []));
  const used = new Set([file, split, ...captions]);
  const unused = header.filter((name, column) => !used.has(column) && (name !== '' || header.length > 1));
  return { file, captions, ...(split !== undefined && { split }), unused };
}

/** "the columns "id" and "licence" are not used" */
export function unusedColumns(unused: readonly string[], what = 'column'): string {
  const quoted = unused.map((name) => `"${name}"`);
  return quoted.length === 1
    ? `the ${what} ${quoted[0]} is not used`
    : `the ${what}s ${quoted.slice(0, -1).join(', ')} and ${quoted.at(-1)} are not used`;
}

/** Common names of the splits. */
const splitNames = new Map<string, Split>([
  ['train', 'train'],
  ['training', 'train'],
  ['dev', 'dev'],
  ['val', 'dev'],
  ['valid', 'dev'],
  ['validation', 'dev'],
  ['test', 'test'],
  ['testing', 'test'],
]);

/** The split for one of its common names. */
export function splitOf(word: string): Split | undefined {
  return splitNames.get(word.trim().toLowerCase());
}
