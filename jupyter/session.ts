import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import type { Executor } from 'tslab/dist/executor.js';
import { cellError, type CellError } from './cell-error.js';
import { createCellConverter } from './compiler.js';

const require = createRequire(import.meta.url);

/** An output by MIME type: text, or base64 of bytes. */
export type MimeBundle = Readonly<Record<string, string>>;

/** What is said of an output by MIME type: width and height of a picture, say. */
export type OutputMetadata = Readonly<Record<string, unknown>>;

/** An output and what is said of it. */
export interface DisplayData {
  readonly data: MimeBundle;
  readonly metadata?: OutputMetadata;
}

/** Where a cell's outputs go. */
export interface CellOutputs {
  stream(name: 'stdout' | 'stderr', text: string): void;
  /** @param id names the display, so that it can be updated. */
  display(data: MimeBundle, id?: string, update?: boolean, metadata?: OutputMetadata): void;
  result(data: MimeBundle, metadata?: OutputMetadata): void;
}

/** What a library finds under this name on `globalThis` when it runs in a notebook. `captioner/viz` shows its figures with it. */
const hostName = Symbol.for('captioner.notebook');
/** A method of values that can show themselves: `() => Promise<DisplayData>`. */
const displayName = Symbol.for('captioner.display');

/** After an interrupt, so long a cell may take to stop by itself (and save, say) before it is left alone. */
const graceMilliseconds = 10_000;

/** Runs cells, one after the other, in one TypeScript program. */
export class Session {
  private readonly executor: Executor;
  private outputs?: CellOutputs;
  private abort = new AbortController();
  private readonly printed: unknown[][] = [];
  private result: unknown;
  private readonly text = { stdout: '', stderr: '' };
  private readonly write = {
    stdout: process.stdout.write.bind(process.stdout),
    stderr: process.stderr.write.bind(process.stderr),
  };
  private flushing?: NodeJS.Immediate;

  /** @param folder where cells' imports are resolved from. */
  constructor(folder: string) {
    const { createExecutor } = require('tslab/dist/executor.js') as typeof import('tslab/dist/executor.js');
    const node = createCellConverter();
    const converters = { node, browser: node, close: () => node.close() };
    this.executor = createExecutor(folder, converters, {
      // The value of a cell's last expression.
      log: (value: unknown) => (this.result = value),
      error: (...message: unknown[]) => this.printed.push(message),
    });
    Object.assign(globalThis, {
      [hostName]: {
        display: ({ data, metadata }: DisplayData, id?: string, update?: boolean) => {
          this.flush();
          this.outputs?.display(data, id, update, metadata);
        },
        // Asked for anew in each cell: once aborted, a signal stays so.
        signal: () => this.abort.signal,
      },
    });
    this.captureOutput('stdout');
    this.captureOutput('stderr');
    this.lendDisplay();
  }

  /** @returns undefined when the cell ran to its end. Outputs that come later still go to `outputs`, until the next cell runs. */
  async run(source: string, outputs: CellOutputs): Promise<CellError | undefined> {
    this.outputs = outputs;
    this.abort = new AbortController();
    this.printed.length = 0;
    this.result = undefined;
    try {
      const done = await this.executor.execute(source);
      if (!done) return cellError(this.printed, source);
      if (this.result !== undefined) {
        const { data, metadata } = await displayOf(this.result);
        this.flush();
        outputs.result(data, metadata);
      }
      return undefined;
    } catch (error) {
      return cellError([[error]], source);
    } finally {
      this.flush();
    }
  }

  /**
   * Asks the running cell to stop, by its `cellSignal()`; a cell that doesn't listen is left alone after a while, or with the second
   * interrupt. (A cell that computes without ever awaiting is stopped by Node itself.)
   */
  async interrupt(): Promise<void> {
    const { abort } = this;
    if (!abort.signal.aborted) {
      abort.abort(new Error('The cell was interrupted.'));
      await sleep(graceMilliseconds, undefined, { ref: false });
    }
    if (this.abort === abort) this.executor.interrupt();
  }

  complete(source: string, position: number): { start: number; end: number; candidates: string[] } {
    return this.executor.complete(source, position);
  }

  /** What is known of the name at a position, as text. */
  inspect(source: string, position: number): string | undefined {
    const info = this.executor.inspect(source, position) as Parameters<typeof printQuickInfo>[0] | undefined;
    const { printQuickInfo } = require('tslab/dist/inspect.js') as typeof import('tslab/dist/inspect.js');
    return info && printQuickInfo(info);
  }

  isComplete(source: string): { completed: boolean; indent?: string } {
    const { isCompleteCode } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
    return isCompleteCode(source);
  }

  private captureOutput(name: 'stdout' | 'stderr'): void {
    const write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      this.text[name] += typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      // What is printed in one go is sent in one message.
      this.flushing ??= setImmediate(() => this.flush());
      const callback = typeof encoding === 'function' ? encoding : done;
      if (typeof callback === 'function') process.nextTick(callback as () => void);
      return true;
    };
    process[name].write = write as typeof process.stdout.write;
  }

  private flush(): void {
    if (this.flushing) clearImmediate(this.flushing);
    this.flushing = undefined;
    for (const name of ['stdout', 'stderr'] as const) {
      const text = this.text[name];
      this.text[name] = '';
      if (text && this.outputs) this.outputs.stream(name, text);
      else if (text) this.write[name](text); // before the first cell: to the log of whoever started the kernel
    }
  }

  /** `tslab.display` of cells that import tslab. */
  private lendDisplay(): void {
    const tslab = require('tslab/dist/jupyter.js') as { lastWriteDisplayData: unknown };
    tslab.lastWriteDisplayData = (
      { data, transient }: { data: Record<string, string>; transient?: { display_id?: string } },
      update?: boolean,
    ) => {
      this.flush();
      this.outputs?.display(data, transient?.display_id, update);
    };
  }
}

async function displayOf(value: unknown): Promise<DisplayData> {
  const show = (value as Record<symbol, unknown> | null)?.[displayName];
  if (typeof show === 'function') return (show as () => Promise<DisplayData>).call(value);
  return { data: { 'text/plain': inspect(value, { depth: 4, maxArrayLength: 40, breakLength: 100 }) } };
}
