import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { readText } from '../../files/text-file.js';
import { decodeEntities } from '../../text/html-entities.js';
import { fileColumns, findColumns, splitOf, unusedColumns } from './columns.js';
import { readRecords } from './csv-records.js';
import { splits, type Manifest, type Photo, type Problem, type Split } from './manifest.js';
import { PhotoListing, type DatasetOptions } from './photo-listing.js';

/** A row of a list. */
interface Row {
  /** Counted from 1; undefined in a JSON file. */
  readonly line?: number;
  readonly file: string;
  readonly captions: readonly string[];
  readonly split?: string;
}

/**
 * Opens your own photos from a list with a header, whose columns are separated by commas,
 * semicolons, tabs or bars. The columns are `file,caption` or `file,caption,split`, or have the
 * names of other common lists (see `findColumns`): Hugging Face's `file_name,text`, Kaggle's
 * `image,caption`, Flickr30k's `image_name| comment_number| comment`. Several rows of a file, or
 * several caption columns, give it several captions. Without a caption column, the photos have no
 * captions.
 *
 * Unusable rows (too many fields, no caption, no such photo, no such split) are left out and
 * reported by line; unused columns are reported by name.
 *
 * @throws CaptionerError `not-found`: there is no such list, or none of its photos is present.
 *   `bad-input`: its header names no photos, or it is not text in its encoding.
 */
export async function openCsv(list: string, options: DatasetOptions = {}): Promise<Manifest> {
  const problems: Problem[] = [];
  const [header, ...records] = await readRecords(readText(list, undefined, options.encoding), list, problems);
  const columns = findColumns(header?.fields ?? []);
  if (!columns) {
    throw new CaptionerError(
      'bad-input',
      `${list} begins with "${shorten(header?.fields.join(',') ?? '')}". Its first line must name its columns: one of photos (${fileColumns}), ` +
        'and usually caption and split, as in file,caption.',
    );
  }
  if (columns.unused.length) problems.push({ source: list, message: unusedColumns(columns.unused) });
  const rows: Row[] = [];
  for (const { line, fields } of records) {
    if (fields.length !== header.fields.length) {
      const message = `${fields.length} fields instead of ${header.fields.length}: a caption with a comma needs "quotes"`;
      problems.push({ source: list, line, message });
      continue;
    }
    const captions = columns.captions.map((column) => fields[column]);
    // A photo may have fewer captions than there are caption columns.
    const given = captions.length > 1 && captions.some((caption) => caption) ? captions.filter(Boolean) : captions;
    rows.push({
      line,
      file: fields[columns.file],
      captions: given,
      split: columns.split === undefined ? undefined : fields[columns.split],
    });
  }
  return gather(list, rows, columns.captions.length > 0, problems, options);
}

/**
 * Opens your own photos from a file of JSON lines, `{"file": "a.jpg", "caption": "a dog", "split":
 * "train"}` or `{"file": "a.jpg", "captions": ["a dog", "a brown dog"]}`, or with the names of
 * other lists, such as Hugging Face's `{"file_name", "text"}`, or as `captioner caption` writes
 * them. Split and captions are optional.
 * Several lines of a file are joined. Unusable lines are left out and reported by line; unused
 * fields are reported by name.
 *
 * @throws CaptionerError `not-found`: there is no such list, or none of its photos is present.
 *   `bad-input`: it is not text in its encoding.
 */
export function openJsonLines(list: string, options: DatasetOptions = {}): Manifest {
  const values: { line: number; value: unknown }[] = [];
  const problems: Problem[] = [];
  for (const [i, text] of readText(list, undefined, options.encoding).split(/\r?\n/).entries()) {
    if (text.trim() === '') continue;
    try {
      values.push({ line: i + 1, value: JSON.parse(text) });
    } catch (error) {
      problems.push({ source: list, line: i + 1, message: `not JSON (${(error as Error).message})` });
    }
  }
  return gatherObjects(list, values, problems, options);
}

/**
 * Opens your own photos from a JSON file: a list of the objects that {@link openJsonLines} reads,
 * such as BLIP's `[{"image", "caption"}]` and neuraltalk2's `[{"file_path", "captions"}]`, or an
 * object of captions by file, `{"a.jpg": ["a dog"]}`.
 *
 * @throws CaptionerError as {@link openJsonLines} does.
 */
export function openJsonList(list: string, json: unknown, options: DatasetOptions = {}): Manifest {
  const values = Array.isArray(json)
    ? (json as unknown[])
    : Object.entries(json as object).map(([file, captions]) => ({ file, captions: captions as unknown }));
  return gatherObjects(
    list,
    values.map((value) => ({ value })),
    [],
    options,
  );
}

/** Whether {@link openJsonList} can read the root of a JSON file. */
export function isJsonList(json: unknown): boolean {
  const isTexts = (value: unknown) =>
    typeof value === 'string' || (Array.isArray(value) && value.every((text) => typeof text === 'string'));
  if (typeof json !== 'object' || json === null) return false;
  if (Array.isArray(json))
    return json.some(
      (entry) => typeof entry === 'object' && entry !== null && findColumns(Object.keys(entry as object)),
    );
  const entries = Object.entries(json);
  return entries.length > 0 && entries.every(([file, captions]) => /\.\w{3,4}$/.test(file) && isTexts(captions));
}

function gatherObjects(
  list: string,
  values: readonly { readonly line?: number; readonly value: unknown }[],
  problems: Problem[],
  options: DatasetOptions,
): Manifest {
  const unused = new Set<string>();
  const rows: Row[] = [];
  for (const [i, { line, value }] of values.entries()) {
    const row = readObject(value, unused);
    if (typeof row !== 'string') rows.push({ line, ...row });
    else
      problems.push({
        source: list,
        ...(line === undefined ? { message: `entry ${i + 1}: ${row}` } : { line, message: row }),
      });
  }
  if (unused.size) problems.push({ source: list, message: unusedColumns([...unused], 'field') });
  return gather(list, rows, false, problems, options);
}

/** Reads an item of a list. @param unused receives the names of unused fields. */
function readObject(value: unknown, unused: Set<string>): Row | string {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'not an object {"file": …}';
  const entries = Object.entries(value);
  const columns = findColumns(entries.map(([name]) => name));
  const file: unknown = columns && entries[columns.file][1];
  if (!columns || typeof file !== 'string' || file === '') return 'no "file"';
  const captions = columns.captions
    .flatMap((column) => entries[column][1] as unknown)
    .map(textOfCaption)
    .filter((caption) => caption !== null && caption !== undefined);
  if (!captions.every((caption): caption is string => typeof caption === 'string')) {
    return '"caption" is not text, or "captions" not a list of texts';
  }
  const split: unknown = columns.split === undefined ? undefined : entries[columns.split][1];
  if (split !== undefined && split !== null && typeof split !== 'string') return '"split" is not text';
  for (const name of columns.unused) unused.add(name);
  return { file, captions, ...(typeof split === 'string' && { split }) };
}

/** The text of a caption as `captioner caption` writes it, with its probability; others stay as they are. */
function textOfCaption(caption: unknown): unknown {
  return typeof caption === 'object' && caption !== null && 'caption' in caption ? caption.caption : caption;
}

/** Usual folders of photos beside their list. */
const usualFolders = [
  '',
  'Images',
  'images',
  'photos',
  'flickr30k_images',
  'flickr30k-images',
  'Flicker8k_Dataset',
  'Flickr8k_Dataset',
];

/** Joins the rows of each photo. */
function gather(
  list: string,
  rows: readonly Row[],
  captioned: boolean,
  problems: Problem[],
  { photos: given }: DatasetOptions,
): Manifest {
  const listing = new PhotoListing();
  const folders =
    given === undefined ? usualFolders.map((name) => path.resolve(path.dirname(list), name)) : [path.resolve(given)];
  const folder = listing.folderWith(folders, rows.flatMap(({ file }) => (file ? spellings(file) : []))) ?? folders[0]; // prettier-ignore
  const photos = new Map<string, Photo & { captions: string[]; split?: Split }>();
  let missing = 0;
  for (const { line, file, captions, split: word } of rows) {
    const problem = (message: string) => problems.push({ source: list, ...(line !== undefined && { line }), message });
    const texts = captions.map((caption) => decodeEntities(caption).trim());
    const split = word ? splitOf(word) : undefined;
    if (file === '') {
      problem('no file');
      continue;
    }
    if (word && !split) {
      problem(`split '${word}' is not one of ${splits.join(', ')}`);
      continue;
    }
    if ((captioned && !texts.length) || texts.includes('')) {
      problem(`an empty caption of ${file}`);
      continue;
    }
    const found = spellings(file)
      .map((spelling) => listing.find(path.resolve(folder, spelling)))
      .find((place) => place !== undefined);
    const id = idOf(folder, found ?? path.resolve(folder, file));
    const known = photos.get(id);
    if (!known && found === undefined) {
      missing++;
      problem(`there is no photo ${path.resolve(folder, file)}`);
    } else if (!known) {
      photos.set(id, { id, file: found!, ...(split && { split }), captions: texts });
    } else if (split && known.split && split !== known.split) {
      problem(`${file} is already in ${known.split}`);
    } else {
      known.captions.push(...texts);
      if (split) known.split = split;
    }
  }
  if (!photos.size) {
    throw new CaptionerError(
      'not-found',
      missing
        ? `None of the ${missing} photos of ${list} exists. Their names must be relative to ${folder}.`
        : `${list} lists no usable photo${problems[0] ? ` (${problems[0].line === undefined ? '' : `line ${problems[0].line}: `}${problems[0].message})` : ''}.`,
    );
  }
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { name: path.basename(list).replace(/\.[^.]+$/, ''), photos: [...photos.values()], problems };
}

/**
 * The possible readings of a photo's name: unchanged; with Windows' backslashes as slashes; and,
 * for an absolute Windows path, its tails, the longest first.
 */
function spellings(file: string): string[] {
  if (!file.includes('\\')) return [file];
  const slashed = file.replaceAll('\\', '/');
  if (!/^[A-Za-z]:\//.test(slashed)) return [file, slashed];
  const parts = slashed.split('/').slice(1);
  return [file, ...parts.map((_, i) => parts.slice(i).join('/'))];
}

/**
 * The name relative to the folder, or the absolute path of a photo elsewhere, with slashes and in
 * Unicode's composed form.
 */
function idOf(folder: string, absolute: string): string {
  const relative = path.relative(folder, absolute);
  const inside = !relative.startsWith('..') && !path.isAbsolute(relative);
  return (inside ? relative : absolute).split(path.sep).join('/').normalize('NFC');
}

function shorten(text: string): string {
  return text.length > 100 ? `${text.slice(0, 100)}…` : text;
}
