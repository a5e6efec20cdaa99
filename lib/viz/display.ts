import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { CaptionerError } from '../errors.js';

/**
 * One output in several forms by MIME type, as text (JSON, too) or base64. Each viewer shows the best
 * form it supports.
 */
export interface DisplayData {
  readonly data: Readonly<Record<string, string>>;
  /** Width and height of pictures, by MIME type. */
  readonly metadata?: Readonly<Record<string, unknown>>;
  /** Whether Plotly draws its HTML; Plotly must then be loaded in the page. */
  readonly needsPlotly?: boolean;
}

/** Name of the method that displays an object. The kernel calls it for the value of a cell, too. */
export const display = Symbol.for('captioner.display');

/** A value that can be shown in a notebook. */
export interface Displayable {
  /** Shows the object in a notebook. */
  [display](): Promise<DisplayData>;
}

/** A channel to a widget in the front end. */
export interface WidgetComm {
  readonly id: string;
}

/** The notebook that this process runs in, registered by the project's kernel. */
export interface NotebookHost {
  display(output: DisplayData, id?: string, update?: boolean): void;
  signal(): AbortSignal;
  /** Whether the front end has Jupyter's widgets. */
  hasWidgets?(): boolean;
  openComm(
    target: string,
    data: object,
    metadata: object,
    onMessage: (data: Readonly<Record<string, unknown>>) => void | Promise<void>,
  ): WidgetComm;
  plotlyLoaded?: boolean;
}

function notebookHost(): NotebookHost | undefined {
  return (globalThis as Record<symbol, unknown>)[Symbol.for('captioner.notebook')] as NotebookHost | undefined;
}

/** Whether this process runs cells of a notebook, in the project's kernel. */
export function inNotebook(): boolean {
  return notebookHost() !== undefined;
}

/**
 * Shows a value below the cell.
 * @throws CaptionerError `unsupported` outside of a notebook.
 */
export async function show(item: Displayable): Promise<void> {
  await showAs(item);
}

async function showAs(item: Displayable, id?: string, update = false): Promise<void> {
  showOutput(await item[display](), id, update);
}

/**
 * Shows an output below the cell.
 * @param id names the place, so that it can be updated.
 */
export function showOutput(output: DisplayData, id?: string, update = false): void {
  const host = requireHost();
  if (output.needsPlotly && !host.plotlyLoaded) loadPlotly();
  host.display(output, id, update);
}

/** A place below the cell whose content can be replaced. */
export class LiveDisplay {
  private readonly id = randomUUID();
  private shown = false;
  private free = 0;

  /** Creates the place. @param pause minimum ms between two updates; earlier ones are dropped. */
  constructor(private readonly pause = 400) {}

  /** Shows `make()`, unless the last update was too recent. */
  async update(make: () => Displayable): Promise<void> {
    if (performance.now() < this.free) return;
    await this.finish(make());
    this.free = performance.now() + this.pause;
  }

  /** Shows this unconditionally. */
  async finish(item: Displayable): Promise<void> {
    const update = this.shown;
    this.shown = true;
    await showAs(item, this.id, update);
  }
}

/**
 * Loads Plotly into the page of the notebook, once. Figures call it on demand; call it in the first
 * cell of a notebook to keep the output out of later cells. JupyterLab loads Plotly from its
 * server, so a saved notebook holds an address instead of the library. Editors without a Jupyter
 * server, such as VS Code, get the library itself.
 */
export function loadPlotly(): void {
  const host = requireHost();
  host.plotlyLoaded = true;
  const inEditor = process.env.VSCODE_PID !== undefined || process.env.VSCODE_CWD !== undefined;
  host.display({ data: { 'text/html': inEditor ? plotlyScript() : plotlyLoader } });
}

/**
 * Loads Plotly from the files of the Jupyter server, whose root is the project. Without it, figures
 * remain pictures.
 */
const plotlyLoader = `<script data-library="plotly-loader">(function(){if(window.Plotly)return;
var config=document.getElementById("jupyter-config-data"),base=config?JSON.parse(config.textContent).baseUrl:"/";
var hidden=window.define;window.define=undefined;
var script=document.createElement("script");script.src=base+"files/node_modules/plotly.js-dist/plotly.min.js";
script.onload=script.onerror=function(){window.define=hidden};document.head.append(script)})()</script>`;

/** A script element that loads Plotly into any page from the installed package. */
export function plotlyScript(): string {
  const library = readFileSync(createRequire(import.meta.url).resolve('plotly.js-dist'), 'utf8');
  // Loaded as a plain script, even if the page has its own module loader (define).
  return `<script data-library="plotly">(function(){var define,module,exports;${library.replaceAll('</script', '<\\/script')}
}).call(window);</script>`;
}

/**
 * A signal that is aborted when the running cell is interrupted. Pass it to a function that takes a
 * `signal` to stop it cleanly: training, for example, saves and can be resumed. It is never aborted
 * outside of a notebook.
 */
export function cellSignal(): AbortSignal {
  return notebookHost()?.signal() ?? new AbortController().signal;
}

/** @throws CaptionerError `unsupported` outside of a notebook. */
export function requireHost(): NotebookHost {
  const host = notebookHost();
  if (host) return host;
  throw new CaptionerError(
    'unsupported',
    'This process does not run on the notebook kernel of captioner. Start JupyterLab with npm run lab, or choose Kernel > Change Kernel > TypeScript (captioner). Elsewhere, write the figure to a file with toSvg or toImage.',
  );
}
