/** Captions as files: JSON for programs, CSV for spreadsheets. */

import type { AnsweredCaption, AnsweredPhoto } from '../answers.js';
import { make } from './dom.js';

/** All photos, in the shape in which the service answers several. */
export function jsonOf(images: readonly AnsweredPhoto[]): string {
  return `${JSON.stringify({ images }, null, 2)}\n`;
}

const columns = ['photo', 'rank', 'caption', 'probability', 'confidence', 'error'];

/** A line per caption (RFC 4180). A byte order mark tells spreadsheets that the text is UTF-8. */
export function csvOf(images: readonly AnsweredPhoto[]): string {
  const row = (name: string, { caption, p, confidence }: AnsweredCaption, i: number): (string | number)[] => {
    return [name, i + 1, caption, p, confidence ?? '', ''];
  };
  const rows = images.flatMap(({ name = '', captions, error }) =>
    error ? [[name, '', '', '', '', error.message]] : captions.map((caption, i) => row(name, caption, i)),
  );
  return `\uFEFF${[columns, ...rows].map((cells) => `${cells.map(cell).join(',')}\r\n`).join('')}`;
}

function cell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** Hands a file to the browser's downloads. */
export function download(name: string, type: string, content: string): void {
  const href = URL.createObjectURL(new Blob([content], { type }));
  make('a', { href, download: name }).click();
  setTimeout(() => {
    URL.revokeObjectURL(href);
  }, 60_000);
}
