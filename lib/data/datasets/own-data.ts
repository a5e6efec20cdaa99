import { existsSync } from 'node:fs';
import path from 'node:path';
import { CaptionerError } from '../../errors.js';
import { readText } from '../../files/text-file.js';
import { splits, type Manifest, type Photo, type Problem, type Split } from './manifest.js';
import type { DatasetOptions } from './photo-listing.js';

/** What one row of a CSV, or one line of JSON lines, says. */
interface Row {
  readonly line: number;
  readonly file: string;
  readonly captions: readonly string[];
  readonly split?: string;
}

/** Other people's words for our splits. */
const splitNames: Record<string, Split> = {
  train: 'train',
  training: 'train',
  dev: 'dev',
  val: 'dev',
  valid: 'dev',
  validation: 'dev',
  test: 'test',
  testing: 'test',
};

/** Other people's words for the columns. */
const columnNames: Record<string, 'file' | 'caption' | 'split'> = {
  file: 'file',
  image: 'file',
  filename: 'file',
  file_name: 'file',
  caption: 'caption',
  split: 'split',
};

/**
 * One's own photos from a CSV file with the header `file,caption` or `file,caption,split`. Several rows of a file are
 * several captions of it. Without a caption column, the photos have no captions.
 *
 * Rows that can't be used (too many fields, no caption, no such photo, no such split) are reported by the number of the line and left out.
 *
 * @throws CaptionerError `not-found`: no such list, or none of its photos is there. `bad-input`: it has no header with `file`.
 */
export async function openCsv(list: string, options: DatasetOptions = {}): Promise<Manifest> {
  const problems: Problem[] = [];
  const [header, ...records] = await readRecords(list, problems);
  const columns = header?.fields.map((name) => columnNames[name.toLowerCase()]) ?? [];
  if (!columns.includes('file')) {
    throw new CaptionerError(
      'bad-input',
      `${list} begins with "${header?.fields.join(',') ?? ''}": a header is needed, file,caption or file,caption,split.`,
    );
  }
  const captioned = columns.includes('caption');
  const rows: Row[] = [];
  for (const { line, fields } of records) {
    if (fields.length !== columns.length) {
      const message = `${fields.length} fields, ${columns.length} were expected: a caption with a comma needs "quotes"`;
      problems.push({ source: list, line, message });
      continue;
    }
    const field = (name: 'file' | 'caption' | 'split') => fields[columns.indexOf(name)] as string | undefined;
    rows.push({ line, file: field('file')!, captions: captioned ? [field('caption')!] : [], split: field('split') });
  }
  return gather(list, rows, captioned, problems, options);
}

interface CsvRecord {
  readonly line: number;
  readonly fields: readonly string[];
}

/** The rows of a CSV file. Where quotes don't match, each line is read by itself, so that only the wrong ones are lost. */
async function readRecords(list: string, problems: Problem[]): Promise<CsvRecord[]> {
  const { parse, CsvError } = await import('csv-parse/sync');
  const text = readText(list);
  const header = text.slice(0, text.indexOf('\n') >>> 0);
  const delimiter = [',', ';', '\t'].find((candidate) => header.includes(candidate)) ?? ',';
  const read = (part: string) =>
    parse(part, {
      delimiter,
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
  try {
    // csv-parse counts to the end of a row, which may have line breaks in its caption.
    return read(text).map(({ record, info }) => ({
      line: info.lines - (record.join('').split('\n').length - 1),
      fields: record,
    }));
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
  }
  return text.split(/\r?\n/).flatMap((part, i): CsvRecord[] => {
    try {
      return read(part).map(({ record }) => ({ line: i + 1, fields: record }));
    } catch (error) {
      const quotes = (error as { code?: string }).code?.includes('QUOTE');
      const message = quotes ? 'a quote that does not close, or is inside a field' : (error as Error).message;
      problems.push({ source: list, line: i + 1, message });
      return [];
    }
  });
}

/**
 * One's own photos from a file of JSON lines, `{"file": "a.jpg", "caption": "a dog", "split": "train"}` or
 * `{"file": "a.jpg", "captions": ["a dog", "a brown dog"]}`; split and captions may be left out, other fields are ignored.
 * Several lines of a file are joined. Lines that can't be used are reported by number and left out.
 *
 * @throws CaptionerError `not-found`: no such list, or none of its photos is there.
 */
export function openJsonLines(list: string, options: DatasetOptions = {}): Manifest {
  const problems: Problem[] = [];
  const rows: Row[] = [];
  for (const [i, text] of readText(list).split(/\r?\n/).entries()) {
    if (text.trim() === '') continue;
    const row = readJsonLine(text, i + 1);
    if (typeof row === 'string') problems.push({ source: list, line: i + 1, message: row });
    else rows.push(row);
  }
  return gather(list, rows, false, problems, options);
}

function readJsonLine(text: string, line: number): Row | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return `no JSON (${(error as Error).message})`;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return 'no object {"file": …}';
  const { file, caption, captions = caption === undefined ? [] : [caption], split } = value as Record<string, unknown>;
  if (typeof file !== 'string' || file === '') return 'no "file"';
  if (!Array.isArray(captions) || !captions.every((one): one is string => typeof one === 'string')) {
    return '"caption" is no text, or "captions" no list of texts';
  }
  if (split !== undefined && split !== null && typeof split !== 'string') return '"split" is no text';
  return { line, file, captions, ...(typeof split === 'string' && { split }) };
}

/** Joins the rows of each photo. */
function gather(
  list: string,
  rows: readonly Row[],
  captioned: boolean,
  problems: Problem[],
  { photos: folder = path.dirname(list) }: DatasetOptions,
): Manifest {
  const photos = new Map<string, Photo & { captions: string[]; split?: Split }>();
  let missing = 0;
  for (const { line, file, captions, split: given } of rows) {
    const problem = (message: string) => problems.push({ source: list, line, message });
    const texts = captions.map((caption) => caption.trim());
    const split = given ? splitNames[given.toLowerCase()] : undefined;
    if (file === '') {
      problem('no file');
      continue;
    }
    if (given && !split) {
      problem(`split '${given}' is not one of ${splits.join(', ')}`);
      continue;
    }
    if ((captioned && !texts.length) || texts.includes('')) {
      problem(`an empty caption of ${file}`);
      continue;
    }
    const absolute = path.resolve(folder, file);
    const id = idOf(folder, absolute);
    const known = photos.get(id);
    if (!known && !existsSync(absolute)) {
      missing++;
      problem(`there is no photo ${absolute}`);
    } else if (!known) {
      photos.set(id, { id, file: absolute, ...(split && { split }), captions: texts });
    } else if (split && known.split && split !== known.split) {
      problem(`${file} is in ${known.split} already`);
    } else {
      known.captions.push(...texts);
      if (split) known.split = split;
    }
  }
  if (!photos.size) {
    throw new CaptionerError(
      'not-found',
      missing
        ? `None of the ${missing} photos of ${list} is there. Their names are relative to ${path.resolve(folder)}.`
        : `${list} lists no photo that can be used${problems[0] ? ` (line ${problems[0].line}: ${problems[0].message})` : ''}.`,
    );
  }
  problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0));
  return { name: path.basename(list).replace(/\.[^.]+$/, ''), photos: [...photos.values()], problems };
}

/** The name relative to the folder, or the whole path of a photo that is elsewhere. */
function idOf(folder: string, absolute: string): string {
  const relative = path.relative(path.resolve(folder), absolute);
  const inside = !relative.startsWith('..') && !path.isAbsolute(relative);
  return (inside ? relative : absolute).split(path.sep).join('/');
}
