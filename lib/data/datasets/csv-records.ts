import type { Problem } from './manifest.js';
import { findColumns } from './columns.js';

/** A row of a list. */
export interface CsvRecord {
  /** Line where it begins, counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** Delimiters between columns. The first is assumed for lists with a single column. */
const delimiters = [',', ';', '\t', '|'] as const;

/** Maximum number of lines of a quoted caption in a file with unbalanced quotes. */
const longestCaption = 20;

/**
 * Reads the rows of a list in CSV (RFC 4180), or with semicolons, tabs or bars between its columns.
 * Unbalanced quotes lose only the rows that contain them; these are reported by the line where the
 * quote opens.
 */
export async function readRecords(text: string, list: string, problems: Problem[]): Promise<CsvRecord[]> {
  const { parse, CsvError } = await import('csv-parse/sync');
  const lines = text.split(/\r?\n/);
  const delimiter = delimiterOf(lines.find((line) => line.trim() !== '') ?? '');
  const read = (part: string) =>
    parse(part, {
      delimiter,
      // Lists delimited by bars do not quote fields.
      ...(delimiter === '|' ? { quote: null } : {}),
      relax_quotes: delimiter === '\t',
      info: true,
      relax_column_count: true,
      skip_empty_lines: true,
      trim: true,
    }) as unknown as { record: string[]; info: { lines: number } }[];
  const startsRow = new RegExp(
    String.raw`\n[^\n]*\.(?:jpe?g|png|webp|gif|tiff?|bmp|heic|avif)["']?\s*[${delimiter}]`,
    'i',
  );
  try {
    const rows = read(text);
    // A quote that opens in one row and closes in another joins them.
    if (!rows.some(({ record }) => record.some((field) => startsRow.test(field)))) {
      // csv-parse counts to the end of a row, which may have line breaks in its caption.
      return rows.map(({ record, info }) => ({ line: info.lines - linesIn(record), fields: record }));
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error;
  }
  const records: CsvRecord[] = [];
  for (let i = 0; i < lines.length; i++) {
    const row = readRow(lines, i, read, startsRow);
    if (typeof row === 'string') problems.push({ source: list, line: i + 1, message: row });
    else if (row.fields) {
      records.push({ line: i + 1, fields: row.fields });
      i += row.lines - 1;
    }
  }
  return records;
}

/**
 * The row that begins at a line, spanning as few lines as balance its quotes, or the fault in it.
 */
function readRow(
  lines: readonly string[],
  first: number,
  read: (part: string) => { record: string[] }[],
  startsRow: RegExp,
): { fields?: readonly string[]; lines: number } | string {
  let message = '';
  for (let count = 1; count <= longestCaption && first + count <= lines.length; count++) {
    const part = lines.slice(first, first + count).join('\n');
    if (startsRow.test(part)) break;
    try {
      const rows = read(part);
      if (rows.length <= 1) return { fields: rows[0]?.record, lines: count };
    } catch (error) {
      const { code = '' } = error as { code?: string };
      message ||= code.includes('QUOTE') ? 'an unclosed quote, or a quote inside a field' : (error as Error).message;
      if (code !== 'CSV_QUOTE_NOT_CLOSED') break;
    }
  }
  return message || 'an unreadable row';
}

function linesIn(record: readonly string[]): number {
  return record.join('').split('\n').length - 1;
}

/**
 * The delimiter that gives a header the most known column names; otherwise the first that occurs in
 * it.
 */
function delimiterOf(header: string): string {
  const known = delimiters.map((delimiter) => {
    const names = header.split(delimiter).map((name) => name.trim().replace(/^"|"$/g, ''));
    const columns = findColumns(names);
    return columns ? 1 + columns.captions.length + (columns.split === undefined ? 0 : 1) : 0;
  });
  const most = Math.max(...known);
  return most > 0 ? delimiters[known.indexOf(most)] : (delimiters.find((one) => header.includes(one)) ?? ',');
}
