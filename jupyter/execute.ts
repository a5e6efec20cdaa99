import { readdirSync } from 'node:fs';
import path from 'node:path';
import { projectFolder } from '../lib/files/package.js';
import { KernelClient } from './client.js';
import type { Cell, Notebook } from './notebook.js';

/** The project's folder, from `jupyter/` as from `dist/jupyter/`. */
export const root = projectFolder;
const kernelspec = path.join(root, 'jupyter', 'kernels', 'captioner');

/** A cell that failed, and how. */
export interface FailedCell {
  /** Counted from 1, texts included, as a reader counts. */
  readonly cell: number;
  readonly message: string;
  readonly traceback: readonly string[];
}

/**
 * Runs a notebook from its first cell to its last, or to the first that fails, on its own kernel.
 * `afterwards` may use that kernel.
 */
export async function executeNotebook(
  notebook: Notebook,
  env: NodeJS.ProcessEnv = process.env,
  afterwards?: (kernel: KernelClient) => Promise<void>,
): Promise<{ notebook: Notebook; failed?: FailedCell }> {
  const kernel = await KernelClient.start(kernelspec, env);
  const cells = notebook.cells.map((cell): Cell =>
    cell.cell_type === 'code' ? { ...cell, execution_count: null, outputs: [] } : cell,
  );
  let failed: FailedCell | undefined;
  try {
    for (const [i, cell] of cells.entries()) {
      if (cell.cell_type !== 'code' || !cell.source.trim()) continue;
      const { outputs, executionCount, error } = await kernel.execute(cell.source);
      cells[i] = { ...cell, execution_count: executionCount, outputs };
      if (!error) continue;
      failed = { cell: i + 1, message: `${error.ename}: ${error.evalue}`, traceback: error.traceback };
      break;
    }
    if (!failed) await afterwards?.(kernel);
  } finally {
    await kernel.shutDown();
  }
  return { notebook: { ...notebook, cells }, ...(failed && { failed }) };
}

/** The project's notebooks, in the order in which they are read. */
export function notebookFiles(folder = path.join(root, 'notebooks')): string[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.ipynb'))
    .sort()
    .map((name) => path.join(folder, name));
}
