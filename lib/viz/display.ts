import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CaptionerError } from '../errors.js';

/** One output in several forms, of which each viewer takes the best that it can show: text, or base64, by MIME type. */
export interface DisplayData {
  readonly data: Readonly<Record<string, string>>;
  /** By MIME type: of pictures, their width and height. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Whether its HTML is drawn by Plotly, which must be in the page before. */
  readonly needsPlotly?: boolean;
}

/** The name of the method by which things show themselves, also to the kernel when a cell ends in one. */
export const display = Symbol.for('captioner.display');

/** What can be shown in a notebook. */
export interface Displayable {
  [display](): Promise<DisplayData>;
}

/** The notebook that this process runs in: the project's kernel puts itself there. */
interface NotebookHost {
  display(output: DisplayData, id?: string, update?: boolean): void;
  signal(): AbortSignal;
  plotlyLoaded?: boolean;
}

function notebookHost(): NotebookHost | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for('captioner.notebook')] as NotebookHost | undefined;
}

/** Whether this process runs cells of a notebook, on the project's kernel. */
export function inNotebook(): boolean {
  return notebookHost() !== undefined;
}

/**
 * Shows something below the cell.
 * @throws CaptionerError `unsupported` outside of a notebook.
 */
export async function show(item: Displayable): Promise<void> {
  await showAs(item);
}

async function showAs(item: Displayable, id?: string, update = false): Promise<void> {
  const host = requireHost();
  const output = await item[display]();
  if (output.needsPlotly && !host.plotlyLoaded) loadPlotly();
  host.display(output, id, update);
}

/** A place below the cell whose content can be replaced. */
export class LiveDisplay {
  private readonly id = randomUUID();
  private shown = false;
  private free = 0;

  /** @param pause least ms between two updates; those that come earlier are left out. */
  constructor(private readonly pause = 400) {}

  /** Shows `make()`, unless the last update was just now. */
  async update(make: () => Displayable): Promise<void> {
    if (performance.now() < this.free) return;
    await this.finish(make());
    this.free = performance.now() + this.pause;
  }

  /** Shows this in any case. */
  async finish(item: Displayable): Promise<void> {
    const update = this.shown;
    this.shown = true;
    await showAs(item, this.id, update);
  }
}

/**
 * Brings Plotly into the notebook's page, once. Figures call it when they need it; call it in a notebook's first cell to
 * keep it out of the way. JupyterLab loads it from its server, so that a saved notebook holds an address and not the library. Editors
 * without a Jupyter server, such as VS Code, get the library itself.
 */
export function loadPlotly(): void {
  const host = requireHost();
  host.plotlyLoaded = true;
  const inEditor = process.env.VSCODE_PID !== undefined || process.env.VSCODE_CWD !== undefined;
  host.display({ data: { 'text/html': inEditor ? plotlyScript() : plotlyLoader } });
}

/** Adds Plotly from the files that the Jupyter server of the page serves: its root is the project. Without it, figures stay pictures. */
const plotlyLoader = `<script data-library="plotly-loader">(function(){if(window.Plotly)return;
var config=document.getElementById("jupyter-config-data"),base=config?JSON.parse(config.textContent).baseUrl:"/";
var hidden=window.define;window.define=undefined;
var script=document.createElement("script");script.src=base+"files/node_modules/plotly.js-dist/plotly.min.js";
script.onload=script.onerror=function(){window.define=hidden};document.head.append(script)})()</script>`;

/** A script element that brings Plotly into any page, from the installed package. */
export function plotlyScript(): string {
  const library = readFileSync(createRequire(import.meta.url).resolve('plotly.js-dist'), 'utf8');
  // As a plain script, also where the page has a module loader (define) of its own.
  return `<script data-library="plotly">(function(){var define,module,exports;${library.replaceAll('</script', '<\\/script')}
}).call(window);</script>`;
}

/**
 * Aborted when the running cell is interrupted: give it to whatever takes a `signal`, so that it stops in good order (training saves, and can be
 * resumed). Outside of a notebook it never is.
 */
export function cellSignal(): AbortSignal {
  return notebookHost()?.signal() ?? new AbortController().signal;
}

function requireHost(): NotebookHost {
  const host = notebookHost();
  if (host) return host;
  throw new CaptionerError(
    'unsupported',
    'This process does not run on the notebook kernel of captioner. Start JupyterLab with npm run lab, or choose Kernel > Change Kernel > TypeScript (captioner). Elsewhere, write the figure to a file with toSvg or toImage.',
  );
}
