import { display, type Displayable, type DisplayData } from './display.js';
import { escapeHtml } from './html.js';
import { fontFamily } from './theme.js';

/**
 * Colour of the lines between rows, visible on light and dark pages. The page sets all other
 * colours.
 */
const rule = 'rgba(128,128,128,.35)';

/** The data of a table: rows by column, or a danfojs DataFrame. */
export type TableData =
  readonly Readonly<Record<string, unknown>>[] | { readonly columns: readonly string[]; readonly values: unknown };

/** Options of a table. */
export interface TableOptions {
  /** Maximum number of rows to show; further rows are omitted. Default 20. */
  readonly rows?: number;
  /** Decimal digits. Default: 3 significant digits for numbers that are not integers. */
  readonly digits?: number;
  readonly title?: string;
}

/** A table, for example of a danfojs DataFrame, as text and as HTML without scripts. */
export class Table implements Displayable {
  readonly columns: readonly string[];
  readonly values: readonly (readonly unknown[])[];

  constructor(
    data: TableData,
    private readonly options: TableOptions = {},
  ) {
    if ('columns' in data) {
      this.columns = data.columns;
      this.values = data.values as unknown[][];
    } else {
      this.columns = [...new Set(data.flatMap((row) => Object.keys(row)))];
      this.values = data.map((row) => this.columns.map((column) => row[column]));
    }
  }

  /** The table as HTML. */
  toHtml(): string {
    const { title } = this.options;
    const { cells, left } = this.shown();
    const style = (column: number) =>
      `padding:3px 12px;text-align:${this.isNumeric(column) ? 'right' : 'left'};border-bottom:1px solid ${rule}`;
    const head = this.columns.map(
      (name, i) => `<th style="${style(i)};border-bottom-color:currentColor">${escapeHtml(name)}</th>`,
    );
    const body = cells.map(
      (row) => `<tr>${row.map((cell, i) => `<td style="${style(i)}">${escapeHtml(cell)}</td>`).join('')}</tr>`,
    );
    return (
      `<table style="border-collapse:collapse;font:14px ${fontFamily};color:inherit;background:transparent">` +
      (title
        ? `<caption style="text-align:left;white-space:nowrap;font-weight:600;padding:4px 12px;color:inherit">${escapeHtml(title)}</caption>`
        : '') +
      `<thead><tr>${head.join('')}</tr></thead><tbody>${body.join('')}</tbody></table>` +
      (left > 0
        ? `<div style="font:13px ${fontFamily};opacity:.7">and ${left.toLocaleString('en')} more rows</div>`
        : '')
    );
  }

  /** The table as text. */
  toText(): string {
    const { cells, left } = this.shown();
    const rows = [this.columns, ...cells];
    const widths = this.columns.map((_, i) => Math.max(...rows.map((row) => row[i].length)));
    const lines = rows.map((row) =>
      row
        .map((cell, i) => (this.isNumeric(i) ? cell.padStart(widths[i]) : cell.padEnd(widths[i])))
        .join('  ')
        .trimEnd(),
    );
    return [...lines, ...(left > 0 ? [`and ${left} more rows`] : [])].join('\n');
  }

  /** Shows the table in a notebook. */
  [display](): Promise<DisplayData> {
    return Promise.resolve({ data: { 'text/html': this.toHtml(), 'text/plain': this.toText() } });
  }

  private shown() {
    const most = this.options.rows ?? 20;
    const cells = this.values.slice(0, most).map((row) => row.map((value) => this.format(value)));
    return { cells, left: this.values.length - cells.length };
  }

  private format(value: unknown): string {
    if (value === null || value === undefined || Number.isNaN(value)) return '–';
    if (typeof value !== 'number') return String(value as string);
    if (Number.isInteger(value)) return value.toLocaleString('en');
    const { digits } = this.options;
    return digits === undefined ? String(Number(value.toPrecision(3))) : value.toFixed(digits);
  }

  private isNumeric(column: number): boolean {
    return this.values.every(
      (row) => typeof row[column] === 'number' || row[column] === null || row[column] === undefined,
    );
  }
}
