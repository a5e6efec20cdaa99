import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { Command } from 'commander';
import { executeNotebook, notebookFiles, root } from './execute.js';
import { notebookPage } from './html.js';
import { readNotebook, withoutScripts, writeNotebook } from './notebook.js';

async function main(): Promise<void> {
  const program = new Command('npm run notebooks --')
    .description('Run the notebooks from top to bottom, without a browser, and write their outputs into them.')
    .argument('[notebooks...]', 'Notebook files, or numbers of those in notebooks/. (default: all)')
    .option('--html [folder]', 'Also write each notebook as a self-contained page.', false)
    .option('--no-write', 'Leave the notebook files unchanged.')
    .addHelpText(
      'after',
      '\nData: CAPTIONER_PRESET=tiny (the default) needs no download. flickr8k needs the data set, whose photos may not be redistributed:\n' +
        'the notebook files then stay unchanged, and --html shows the results.',
    )
    .parse();
  const options = program.opts<{ html: string | boolean; write: boolean }>();
  const all = notebookFiles();
  const named = program.args.map((name) => all.find((file) => path.basename(file).startsWith(`${name}-`)) ?? name);
  const files = named.length > 0 ? named : all;
  const pages = typeof options.html === 'string' ? options.html : path.join(root, 'notebooks', 'html');
  const { CAPTIONER_PRESET: preset = 'tiny' } = process.env;
  const write = options.write && preset === 'tiny';
  let failures = 0;
  for (const file of files) {
    const began = performance.now();
    const { notebook, failed } = await executeNotebook(readNotebook(file), {
      ...process.env,
      CAPTIONER_PRESET: preset,
    });
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    if (failed) {
      failures++;
      console.error(`✗ ${path.relative('', file)}, cell ${failed.cell}: ${failed.message}`);
      console.error(failed.traceback.slice(1).join('\n'));
      continue;
    }
    console.log(`✓ ${path.relative('', file)}  ${seconds} s`);
    if (write) writeNotebook(file, withoutScripts(notebook));
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

await main();
