/** Builds the site: one folder of static files with relative links. `npm run site`, then any file server on dist/site. */

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { build, type Plugin } from 'esbuild';
import { notebookPage } from '../../jupyter/html.js';
import { readNotebook } from '../../jupyter/notebook.js';
import { exportCheckpoint } from '../../lib/index.js';
import { demoPage } from './demo-page.js';
import { navigation, textPage } from './layout.js';
import { MarkdownPages } from './markdown.js';

const target = 'dist/site';
const at = (...names: string[]) => path.join(target, ...names);

/** The captioner is one file that the demo and other pages load: it finds its worker beside itself. */
const sharedCaptioner: Plugin = {
  name: 'shared-captioner',
  setup: ({ onResolve }) => {
    onResolve({ filter: /lib\/browser\.js$/ }, () => ({ path: './browser/captioner.js', external: true }));
  },
};

async function buildDemo(): Promise<void> {
  fs.writeFileSync(at('index.html'), demoPage());
  for (const [from, to] of [
    ['serve/page/static/page.css', 'page.css'],
    ['serve/page/static/icon.svg', 'icon.svg'],
    ['site/page/site.css', 'site.css'],
  ]) {
    fs.copyFileSync(from, at(to));
  }
  await build({
    entryPoints: { demo: 'site/page/demo.ts' },
    outdir: target,
    bundle: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    plugins: [sharedCaptioner],
  });
  fs.cpSync('dist/browser', at('browser'), { recursive: true });
  for (const unused of ['ort.node.min.js', 'webgpu']) {
    fs.rmSync(at('browser', 'onnxruntime-web', unused), { recursive: true });
  }
  fs.mkdirSync(at('samples'), { recursive: true });
  const samples = fs.readdirSync('data/samples').filter((name) => name.endsWith('.jpg'));
  for (const name of samples) fs.copyFileSync(path.join('data/samples', name), at('samples', name));
  fs.writeFileSync(at('samples', 'names.json'), JSON.stringify(samples));
  await exportCheckpoint('checkpoints/default', at('model'), { storage: 'int8' });
  fs.rmSync(at('model', 'history.jsonl'));
  for (const name of ['decoder.safetensors', 'encoder.onnx', 'vocab.json']) {
    fs.writeFileSync(at('model', name), gzipSync(fs.readFileSync(at('model', name)), { level: 9 }));
  }
}

function buildPages(pages: MarkdownPages): void {
  const docs = fs.readdirSync('docs').filter((name) => name.endsWith('.md'));
  for (const file of ['README.md', 'notebooks/README.md', 'results/README.md', ...docs.map((name) => `docs/${name}`)]) {
    pages.write(file);
  }
  const items = docs.map((name) => {
    const [title = name] = /(?<=^# ).+$/m.exec(fs.readFileSync(path.join('docs', name), 'utf8')) ?? [];
    return `<li><a href="${name.replace(/\.md$/, '.html')}">${title}</a></li>`;
  });
  const others =
    '<li><a href="../checkpoints/index.html">The models</a></li><li><a href="../api/index.html">API reference</a></li>';
  const list = `<h1>Documentation</h1>\n<ul>${items.join('')}${others}</ul>`;
  fs.writeFileSync(at('docs', 'index.html'), textPage('docs/index.html', 'Documentation', list));
  pages.write('checkpoints/README.md');
}

async function buildNotebooks(pages: MarkdownPages): Promise<void> {
  fs.copyFileSync(createRequire(import.meta.url).resolve('plotly.js-dist'), at('plotly.min.js'));
  for (const name of fs.readdirSync('notebooks').filter((file) => file.endsWith('.ipynb'))) {
    const file = `notebooks/${name}`;
    const html = pages.linked(await notebookPage(readNotebook(file), 'notebooks', '../plotly.min.js'), file);
    const header = `<style>.sections{display:flex;flex-wrap:wrap;gap:1rem;padding:.8rem 1.25rem}</style>${navigation(1)}`;
    fs.writeFileSync(at('notebooks', name.replace(/\.ipynb$/, '.html')), html.replace('<body>', `<body>${header}`));
  }
}

/** Files of the demo, which works offline. Pages of text are kept as they are visited. */
function filesToKeep(): string[] {
  const unused = /LICENSE|LEGAL|package\.json|README/;
  const inFolder = (folder: string) =>
    fs
      .readdirSync(at(folder), { withFileTypes: true })
      .filter((entry) => entry.isFile() && !unused.test(entry.name))
      .map(({ name }) => `${folder}/${name}`);
  return [
    ...['index.html', 'demo.js', 'page.css', 'site.css', 'icon.svg'],
    ...['browser', 'browser/onnxruntime-web', 'model', 'samples'].flatMap(inFolder),
  ];
}

async function buildServiceWorker(): Promise<void> {
  const checksum = (file: string) =>
    createHash('sha256')
      .update(fs.readFileSync(at(file)))
      .digest('hex')
      .slice(0, 16);
  const kept = Object.fromEntries(filesToKeep().map((file) => [file, checksum(file)]));
  await build({
    entryPoints: ['site/page/service-worker.ts'],
    outdir: target,
    bundle: true,
    minify: true,
    define: { kept: JSON.stringify(kept) },
  });
}

fs.rmSync(target, { recursive: true, force: true });
fs.mkdirSync(target, { recursive: true });
await buildDemo();
const pages = new MarkdownPages(target);
buildPages(pages);
await buildNotebooks(pages);
if (!process.argv.includes('--no-api')) {
  execFileSync(process.execPath, ['node_modules/typedoc/bin/typedoc', '--out', at('api')], { stdio: 'inherit' });
}
await buildServiceWorker();
const bytes = filesToKeep().reduce((sum, file) => sum + fs.statSync(at(file)).size, 0);
console.log(`Wrote ${target}. The demo is ${(bytes / 1e6).toFixed(1)} MB.`);
