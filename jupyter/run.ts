import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { KernelClient } from './client.js';
import { notebookPage } from './html.js';
import { readNotebook, withoutScripts, writeNotebook, type Cell, type Notebook } from './notebook.js';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const kernelspec = path.join(root, 'jupyter', 'kernels', 'captioner');

/** A cell that failed, and how. */
export interface FailedCell {
  /** Counted from 1, texts included, as a reader counts. */
  readonly cell: number;
  readonly message: string;
  readonly traceback: readonly string[];
}

/** Runs a notebook from its first cell to its last, or to the first that fails, on a kernel of its own. */
export async function executeNotebook(
  notebook: Notebook,
  env: NodeJS.ProcessEnv = process.env,
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

async function main(): Promise<void> {
  const program = new Command('npm run notebooks --')
    .description('Runs the notebooks from top to bottom, without a browser, and writes their outputs into them.')
    .argument('[notebooks...]', 'files, or the numbers of those of notebooks/; all of them where none is named')
    .option('--html [folder]', 'also write each as a page that needs nothing else', false)
    .option('--no-write', 'leave the notebooks as they are')
    .addHelpText(
      'after',
      '\nThe data: CAPTIONER_PRESET=tiny needs nothing but the project; flickr8k needs the data set.',
    )
    .parse();
  const options = program.opts<{ html: string | boolean; write: boolean }>();
  const all = notebookFiles();
  const named = program.args.map((name) => all.find((file) => path.basename(file).startsWith(`${name}-`)) ?? name);
  const files = named.length > 0 ? named : all;
  const pages = typeof options.html === 'string' ? options.html : path.join(root, 'notebooks', 'html');
  let failures = 0;
  for (const file of files) {
    const began = performance.now();
    const { notebook, failed } = await executeNotebook(readNotebook(file));
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    if (failed) {
      failures++;
      console.error(`✗ ${path.relative('', file)}, cell ${failed.cell}: ${failed.message}`);
      console.error(failed.traceback.slice(1).join('\n'));
      continue;
    }
    console.log(`✓ ${path.relative('', file)}  ${seconds} s`);
    if (options.write) writeNotebook(file, withoutScripts(notebook));
    if (options.html) {
      mkdirSync(pages, { recursive: true });
      const page = path.join(pages, `${path.basename(file, '.ipynb')}.html`);
      writeFileSync(page, await notebookPage(notebook, path.dirname(file)));
      console.log(`  ${path.relative('', page)}`);
    }
  }
  if (failures > 0) {
    console.error(`${failures} of ${files.length} notebooks failed.`);
    process.exitCode = 1;
  }
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) await main();
