import { readFileSync } from 'node:fs';
import path from 'node:path';
import { Marked } from 'marked';
import { plotlyScript } from '../lib/viz/display.js';
import { scriptJson, specKey } from '../lib/viz/figure.js';
import type { Cell, Notebook, Output } from './notebook.js';

/**
 * A notebook as a page of HTML: text, code, figures and pictures. Figures that just ran need no other
 * file. A saved notebook holds pictures, which Plotly replaces with live figures as they come into view.
 *
 * @param plotly address of Plotly's script. Without it, the figures of a saved notebook remain pictures.
 */
export async function notebookPage(notebook: Notebook, folder: string, plotly?: string): Promise<string> {
  const marked = new Marked({ gfm: true });
  const title = /^# (.+)$/m.exec(notebook.cells[0]?.source ?? '')?.[1] ?? 'captioner';
  const cells = await Promise.all(
    notebook.cells.map(async (cell) => {
      if (cell.cell_type === 'code') return codeCell(cell);
      const html = await marked.parse(cell.source);
      return `<section class="text">${linksToPages(withPictures(html, folder))}</section>`;
    }),
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escape(title.replaceAll(/[*_`]/g, ''))}</title><style>${style}</style></head>
<body><main>
${cells.join('\n')}
</main>${plotly === undefined ? '' : liveFigures(plotly)}</body></html>
`;
}

function codeCell(cell: Cell & { cell_type: 'code' }): string {
  const code = cell.source.trim() ? `<pre class="code"><code>${coloured(cell.source)}</code></pre>` : '';
  return `<section class="cell">${code}${cell.outputs.map(outputHtml).join('')}</section>`;
}

function outputHtml(output: Output): string {
  if (output.output_type === 'stream') return `<pre class="output ${output.name}">${escape(output.text)}</pre>`;
  if (output.output_type === 'error') return `<pre class="output stderr">${escape(output.traceback.join('\n'))}</pre>`;
  const { data } = output;
  // The page needs no server: the library comes with it.
  if (data['text/html']?.includes('data-library="plotly-loader"')) return plotlyScript();
  if (data['text/html'] !== undefined) return `<div class="output">${data['text/html']}</div>`;
  if (data['image/svg+xml'] !== undefined) return `<div class="output">${data['image/svg+xml']}</div>`;
  for (const type of ['image/png', 'image/jpeg']) {
    if (data[type] === undefined) continue;
    const image = `<img src="data:${type};base64,${data[type]}" alt="${escape(data['text/plain'] ?? '')}">`;
    const spec = output.metadata[specKey];
    const figure = typeof spec === 'string' ? ` data-figure="${escape(spec)}"` : '';
    return `<div class="output"${figure}>${image}</div>`;
  }
  return data['text/plain'] ? `<pre class="output">${escape(data['text/plain'])}</pre>` : '';
}

/**
 * A script that loads Plotly when the first figure comes near the view, and draws each figure in
 * place of its picture.
 */
function liveFigures(plotly: string): string {
  return `<script>(function(){var library;
function load(){return library||(library=new Promise(function(resolve,reject){var script=document.createElement("script");
script.src=${scriptJson(plotly)};script.onload=resolve;script.onerror=reject;document.head.append(script)}))}
function draw(place){load().then(function(){var figure=JSON.parse(place.dataset.figure),drawn=document.createElement("div");
place.replaceChildren(drawn);return window.Plotly.newPlot(drawn,figure[0],figure[1],figure[2])}).catch(function(){})}
var watch=new IntersectionObserver(function(entries){entries.forEach(function(entry){
if(entry.isIntersecting){watch.unobserve(entry.target);draw(entry.target)}})},{rootMargin:"400px"});
document.querySelectorAll("[data-figure]").forEach(function(place){watch.observe(place)})})()</script>`;
}

/** Embeds the pictures next to the notebook in the page. */
function withPictures(html: string, folder: string): string {
  return html.replaceAll(/(<img [^>]*src=")(?!data:|https?:)([^"]+)"/g, (whole, before: string, source: string) => {
    const type = { '.svg': 'image/svg+xml', '.png': 'image/png', '.jpg': 'image/jpeg' }[path.extname(source)];
    if (!type) return whole;
    return `${before}data:${type};base64,${readFileSync(path.join(folder, source)).toString('base64')}"`;
  });
}

function linksToPages(html: string): string {
  return html.replaceAll(/(href="[^":]+)\.ipynb"/g, '$1.html"');
}

const token =
  /(\/\/[^\n]*|\/\*[\s\S]*?\*\/)|('(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"|`(?:[^`\\]|\\.)*`)|\b(async|await|const|else|export|for|from|function|if|import|in|interface|let|new|of|return|throw|type|typeof|while|true|false|undefined)\b|\b(\d[\d_.e]*)\b/g;

function coloured(source: string): string {
  let html = '';
  let end = 0;
  for (const match of source.matchAll(token)) {
    const kind = ['comment', 'string', 'keyword', 'number'][match.slice(1).findIndex((group) => group !== undefined)];
    html += `${escape(source.slice(end, match.index))}<span class="${kind}">${escape(match[0])}</span>`;
    end = (match.index ?? 0) + match[0].length;
  }
  return html + escape(source.slice(end));
}

function escape(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}

const style = `
:root { color-scheme: light; }
body { margin: 0; background: #fff; color: #1d2733; font: 17px/1.6 system-ui, sans-serif; }
main { max-width: 880px; margin: 0 auto; padding: 2rem 1.25rem 5rem; }
h1, h2, h3 { line-height: 1.25; } h2 { margin-top: 2.4rem; } a { color: #1f5f99; }
code { font: 0.88em/1.5 ui-monospace, Menlo, Consolas, monospace; } :not(pre) > code { background: #eef1f4; padding: .1em .3em; border-radius: 3px; }
pre { overflow-x: auto; margin: .6rem 0; } pre.code { background: #f5f7f9; border: 1px solid #dfe4e9; border-radius: 6px; padding: .8rem 1rem; }
pre.output { padding: 0 1rem; font: 14px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; } pre.stderr { background: #fdf0ee; }
.output { overflow-x: auto; } img { max-width: 100%; } details { margin: .6rem 0; padding: .4rem 1rem; background: #f5f7f9; border-radius: 6px; }
summary { cursor: pointer; } table { border-collapse: collapse; } th, td { padding: .25rem .7rem; border-bottom: 1px solid #dfe4e9; text-align: left; }
blockquote { margin: 1rem 0; padding: .1rem 1rem; border-left: 4px solid #7aa6cf; background: #f2f6fa; }
.comment { color: #667585; } .string { color: #2f7d4f; } .keyword { color: #8a3ea0; } .number { color: #b25a00; }
`;
