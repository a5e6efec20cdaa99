import { AsyncResource } from 'node:async_hooks';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { cellError, type CellError } from './cell-error.js';
import { displayOf, type DisplayData, type MimeBundle, type OutputMetadata } from './display-value.js';
import { Comms, type CommHandle } from './comms.js';
import { Executor, type Run } from './executor.js';
import type { Message } from './wire.js';

const require = createRequire(import.meta.url);

/** Destination of a cell's outputs. */
export interface CellOutputs {
  stream(name: 'stdout' | 'stderr', text: string): void;
  /** @param id names the display, so that it can be updated. */
  display(data: MimeBundle, id?: string, update?: boolean, metadata?: OutputMetadata): void;
  result(data: MimeBundle, metadata?: OutputMetadata): void;
  /** A message about a comm. */
  comm(type: string, content: Message['content'], metadata?: Message['metadata']): void;
}

/** The name on `globalThis` under which a library finds the notebook that it runs in. `captioner/viz` shows its figures with it. */
const hostName = Symbol.for('captioner.notebook');

/** Time for an interrupted cell to stop by itself (and save, for example) if it has requested its signal. */
const graceMilliseconds = 10_000;
/** The same for a cell that hasn't: it can't know. */
const shortGraceMilliseconds = 500;
/** Time after which a cell that still stops is said to. */
const patienceMilliseconds = 2500;

/** A cell, its outputs and its signal. */
class Cell {
  readonly abort = new AbortController();
  run?: Run;
  /** Whether the cell has asked for its signal. */
  listens = false;
  private readonly text = { stdout: '', stderr: '' };
  private flushing?: NodeJS.Immediate;

  constructor(readonly outputs: CellOutputs) {}

  print(name: 'stdout' | 'stderr', text: string): void {
    this.text[name] += text;
    // Prints of one turn are sent in one message.
    this.flushing ??= setImmediate(() => this.flush());
  }

  flush(): void {
    if (this.flushing) clearImmediate(this.flushing);
    this.flushing = undefined;
    for (const name of ['stdout', 'stderr'] as const) {
      const text = this.text[name];
      this.text[name] = '';
      if (text) this.outputs.stream(name, text);
    }
  }
}

/** Runs cells, one after the other, in one TypeScript program. */
export class Session {
  /** Channels to widgets in the front ends. */
  readonly comms = new Comms((...message) => this.current()?.outputs.comm(...message));
  private readonly executor: Executor;
  private readonly cells = new WeakMap<Run, Cell>();
  /** The cell that runs, else the last one. */
  private latest?: Cell;
  private isRunning = false;

  /** @param folder where cells' imports are resolved from. */
  constructor(folder: string) {
    this.executor = new Executor(folder);
    Object.assign(globalThis, {
      [hostName]: {
        display: ({ data, metadata }: DisplayData, id?: string, update?: boolean) =>
          this.display(data, id, update, metadata),
        signal: () => {
          const cell = this.current();
          if (cell) cell.listens = true;
          return cell?.abort.signal ?? new AbortController().signal;
        },
        hasWidgets: () => this.comms.widgets,
        // Outputs of the callback belong to the cell that opened the comm.
        openComm: (...[target, data, metadata, onMessage]: Parameters<Comms['open']>): CommHandle =>
          this.comms.open(target, data, metadata, AsyncResource.bind(onMessage)),
      },
    });
    this.captureOutput('stdout');
    this.captureOutput('stderr');
    this.lendDisplay();
  }

  /**
   * Runs a cell. Outputs of callbacks that it leaves behind go to `outputs` too.
   * @returns undefined when the cell ran to its end.
   */
  async run(source: string, count: number, outputs: CellOutputs): Promise<CellError | undefined> {
    const cell = new Cell(outputs);
    this.latest = cell;
    this.isRunning = true;
    try {
      const outcome = await this.executor.execute(source, count, (run) => {
        cell.run = run;
        this.cells.set(run, cell);
      });
      if (outcome.status === 'done' && outcome.value !== undefined && outcome.value !== null) {
        const { data, metadata } = await displayOf(outcome.value);
        cell.flush();
        outputs.result(data, metadata);
      }
      return cellError(outcome, source, this.executor);
    } catch (error) {
      return cellError({ status: 'thrown', error }, source, this.executor);
    } finally {
      this.isRunning = false;
      cell.flush();
    }
  }

  /**
   * Asks the running cell to stop, by its `cellSignal()`. A cell that doesn't stop in time is left, and so it is by a second interrupt.
   * (Node itself stops a cell that computes before it awaits anything.)
   */
  async interrupt(): Promise<void> {
    const { latest: cell } = this;
    if (!cell || !this.isRunning) return;
    const stillRuns = () => this.isRunning && this.latest === cell;
    if (!cell.abort.signal.aborted) {
      cell.abort.abort(new Error('The cell was interrupted.'));
      if (cell.listens) {
        await sleep(patienceMilliseconds, undefined, { ref: false });
        if (!stillRuns()) return;
        cell.print('stderr', 'Stopping the cell cleanly. Interrupt again to stop it at once.\n');
        await sleep(graceMilliseconds - patienceMilliseconds, undefined, { ref: false });
      } else {
        await sleep(shortGraceMilliseconds, undefined, { ref: false });
      }
    }
    if (stillRuns()) cell.run?.leave();
  }

  complete(source: string, position: number): { start: number; end: number; candidates: string[] } {
    return this.executor.complete(source, position);
  }

  /** Type and documentation of the name at a position, as text. */
  inspect(source: string, position: number): string | undefined {
    const info = this.executor.inspect(source, position) as Parameters<typeof printQuickInfo>[0] | undefined;
    const { printQuickInfo } = require('tslab/dist/inspect.js') as typeof import('tslab/dist/inspect.js');
    return info && printQuickInfo(info);
  }

  isComplete(source: string): { completed: boolean; indent?: string } {
    const { isCompleteCode } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
    return isCompleteCode(source);
  }

  /** The cell whose code or callback is executing. */
  private current(): Cell | undefined {
    const run = this.executor.current();
    return (run && this.cells.get(run)) ?? this.latest;
  }

  private display(data: MimeBundle, id?: string, update?: boolean, metadata?: OutputMetadata): void {
    const cell = this.current();
    cell?.flush();
    cell?.outputs.display(data, id, update, metadata);
  }

  private captureOutput(name: 'stdout' | 'stderr'): void {
    const toLog = process[name].write.bind(process[name]);
    const write = (chunk: string | Uint8Array, encoding?: unknown, done?: unknown): boolean => {
      const text = typeof chunk === 'string' ? chunk : Buffer.from(chunk).toString();
      const cell = this.current();
      if (cell) cell.print(name, text);
      else toLog(text); // before the first cell: to the log of the process that started the kernel
      const callback = typeof encoding === 'function' ? encoding : done;
      if (typeof callback === 'function') process.nextTick(callback as () => void);
      return true;
    };
    process[name].write = write as typeof process.stdout.write;
  }

  /** `tslab.display` of cells that import tslab. */
  private lendDisplay(): void {
    const tslab = require('tslab/dist/jupyter.js') as { lastWriteDisplayData: unknown };
    tslab.lastWriteDisplayData = (
      { data, transient }: { data: Record<string, string>; transient?: { display_id?: string } },
      update?: boolean,
    ) => this.display(data, transient?.display_id, update);
  }
}
