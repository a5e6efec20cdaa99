import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { MimeBundle } from './display-value.js';

/**
 * An output of a cell in nbformat 4.5:
 * https://nbformat.readthedocs.io/en/latest/format_description.html
 */
export type Output =
  | { output_type: 'stream'; name: string; text: string }
  | { output_type: 'display_data'; data: MimeBundle; metadata: Record<string, unknown> }
  | {
      output_type: 'execute_result';
      data: MimeBundle;
      metadata: Record<string, unknown>;
      execution_count: number | null;
    }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

export type Cell =
  | { cell_type: 'markdown'; id: string; metadata: Record<string, unknown>; source: string }
  | {
      cell_type: 'code';
      id: string;
      metadata: Record<string, unknown>;
      source: string;
      execution_count: number | null;
      outputs: Output[];
    };

/** A notebook, its texts joined. */
export interface Notebook {
  cells: Cell[];
  metadata: Record<string, unknown>;
  nbformat: 4;
  nbformat_minor: 5;
}

/** Metadata shared by all notebooks of the project, regardless of the editor that saved them. */
const metadata = {
  kernelspec: { display_name: 'TypeScript (captioner)', language: 'typescript', name: 'captioner' },
  language_info: {
    codemirror_mode: { mode: 'typescript', name: 'javascript', typescript: true },
    file_extension: '.ts',
    mimetype: 'text/typescript',
    name: 'typescript',
    version: '5.0',
  },
};

/** Reads a notebook, whose texts may be one string or a list of lines. */
export function readNotebook(file: string): Notebook {
  const raw = JSON.parse(readFileSync(file, 'utf8')) as { cells: Record<string, unknown>[] };
  const cells = raw.cells.map((cell, i) => {
    const common = { id: String(cell.id ?? `cell-${i + 1}`), metadata: {}, source: joined(cell.source) };
    if (cell.cell_type !== 'code') return { cell_type: 'markdown', ...common } satisfies Cell;
    const outputs = (cell.outputs as Record<string, unknown>[]).map(readOutput);
    return {
      cell_type: 'code',
      ...common,
      execution_count: cell.execution_count as number | null,
      outputs,
    } satisfies Cell;
  });
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}

/**
 * Writes a notebook in the one form that the project commits: keys sorted and texts as lines, as Jupyter itself writes, so that a
 * change shows as a change of lines. The file is replaced at once.
 */
export function writeNotebook(file: string, notebook: Notebook): void {
  writeFileSync(`${file}.new`, notebookText(notebook));
  renameSync(`${file}.new`, file);
}

/** The text of a notebook's file. */
export function notebookText(notebook: Notebook): string {
  const lines = (text: string) => text.split(/(?<=\n)/).filter((line) => line);
  const written = {
    ...notebook,
    cells: notebook.cells.map((cell) => ({
      ...cell,
      source: lines(cell.source),
      ...(cell.cell_type === 'code' && {
        outputs: cell.outputs.map((output) => {
          if (output.output_type === 'stream') return { ...output, text: lines(output.text) };
          if (output.output_type === 'error') return output;
          const data = Object.entries(output.data).map(([type, value]) => [
            type,
            type.startsWith('text/') ? lines(value) : value,
          ]);
          return { ...output, data: Object.fromEntries(data) as Record<string, unknown> };
        }),
      }),
    })),
  };
  return `${JSON.stringify(sorted(written), null, 1)}\n`;
}

/**
 * The notebook as committed: figures as PNG, without Plotly and the HTML that needs it. The file is small and
 * looks the same in JupyterLab, on GitHub and where scripts do not run. HTML without scripts (tables) stays.
 */
export function withoutScripts(notebook: Notebook): Notebook {
  const cells = notebook.cells.map((cell) => {
    if (cell.cell_type !== 'code') return cell;
    const outputs = cell.outputs.flatMap((output): Output[] => {
      if (!('data' in output)) return [output];
      const { 'text/html': html, ...rest } = output.data;
      if (html === undefined || !(/<script/i.test(html) || rest['image/png'] || rest['image/jpeg'])) return [output];
      return Object.keys(rest).length > 0 ? [{ ...output, data: rest }] : [];
    });
    return { ...cell, outputs };
  });
  return { ...notebook, cells };
}

function readOutput(raw: Record<string, unknown>): Output {
  switch (raw.output_type) {
    case 'stream':
      return { output_type: 'stream', name: String(raw.name), text: joined(raw.text) };
    case 'error':
      return raw as unknown as Output;
    default: {
      const data = Object.entries(raw.data as Record<string, unknown>).map(([type, value]) => [type, joined(value)]);
      return { ...raw, data: Object.fromEntries(data) as MimeBundle } as unknown as Output;
    }
  }
}

function joined(text: unknown): string {
  return Array.isArray(text) ? text.join('') : String(text ?? '');
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, item]) => [key, sorted(item)]));
}
