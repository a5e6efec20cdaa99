import { AsyncLocalStorage } from 'node:async_hooks';
import Module, { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import vm from 'node:vm';
import type { Converter } from 'tslab/dist/converter.js';
import { createCellCompiler, problemOf, type CellCompiler, type CellPosition, type Problem } from './compiler.js';
import { keepDeclarations, valueNames } from './declarations.js';

const require = createRequire(import.meta.url);

/** Time in which the loops of a cell that was left reach their next turn. */
const settleMilliseconds = 1000;

/** Outcome of a cell. */
export type Outcome =
  | { readonly status: 'done'; readonly value?: unknown }
  | { readonly status: 'refused'; readonly problems: readonly Problem[] }
  | { readonly status: 'thrown'; readonly error: unknown }
  /** Interrupted; `stillRuns` where its code has not ended. */
  | { readonly status: 'left'; readonly stillRuns: boolean };

/** A cell that runs, or ran. */
export interface Run {
  /**
   * Rejects the wait for the cell. Its loops end at their next iteration, and its later assignments are
   * ignored.
   */
  leave(): void;
  readonly isLeft: boolean;
}

/** A place in a cell that an error names. */
export interface CellPlace extends CellPosition {
  readonly count: number;
  /** The line of the cell. */
  readonly text: string;
}

/** Thrown by loops of a cell that was interrupted. */
class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** Compiles and runs cells in one scope: later cells see the names of a cell, even if it failed halfway. */
export class Executor {
  private readonly compiler: CellCompiler = createCellCompiler();
  private readonly values: Record<string, unknown> = {};
  private declarations = '';
  private readonly places = new Map<string, (position: CellPosition) => CellPlace | undefined>();
  private readonly running = new AsyncLocalStorage<Run>();
  private readonly modules: LocalModules;

  /** @param folder where cells' imports are resolved from. */
  constructor(folder: string) {
    this.modules = new LocalModules(folder);
    Object.assign(globalThis, { __tslab__: { check: () => this.check() } });
  }

  /**
   * Runs a cell.
   * @param count the number of the cell, by which errors name it.
   * @param onStart receives the run before its code begins.
   */
  async execute(source: string, count: number, onStart: (run: Run) => void): Promise<Outcome> {
    const asModule = this.addModule(source);
    if (asModule) return asModule;
    const cell = this.compiler.compile(this.declarations, source);
    if (cell.problems) return { status: 'refused', problems: cell.problems };
    this.modules.add(cell.modules);
    const name = `cell-${count}.ts`;
    const lines = source.split('\n');
    this.places.set(name, (position) => {
      const origin = cell.originOf(position);
      return origin && { ...origin, count, text: lines[origin.line - 1] ?? '' };
    });
    const assigned = new Set<string>();
    const wrapped = `(${cell.isAsync ? 'async ' : ''}function (exports, require) { ${cell.code}\n})`;
    const outcome = await this.runCode(wrapped, name, assigned, onStart);
    this.declarations =
      outcome.status === 'done'
        ? cell.declarations
        : this.declarationsAfterFailure(cell.declarations, valueNames(cell.code), assigned);
    if (outcome.status !== 'done' || cell.lastExpression === undefined) return outcome;
    const value = this.values[cell.lastExpression];
    Reflect.deleteProperty(this.values, cell.lastExpression);
    return { status: 'done', value };
  }

  /** The run whose code is executing: that of a cell, or of a callback from it. */
  current(): Run | undefined {
    return this.running.getStore();
  }

  /** The place in a cell that a stack frame names, if it names one. */
  placeOf(file: string, position: CellPosition): CellPlace | undefined {
    return this.places.get(file)?.(position);
  }

  inspect(source: string, position: number): unknown {
    return this.compiler.inspect(this.declarations, source, position);
  }

  complete(source: string, position: number): ReturnType<Converter['complete']> {
    return this.compiler.complete(this.declarations, source, position);
  }

  private async runCode(
    wrapped: string,
    filename: string,
    assigned: Set<string>,
    onStart: (run: Run) => void,
  ): Promise<Outcome> {
    let leave!: () => void;
    const left = new Promise<'left'>((resolve) => (leave = () => resolve('left')));
    const run = {
      isLeft: false,
      leave: () => {
        run.isLeft = true;
        leave();
      },
    };
    onStart(run);
    try {
      return await this.running.run(run, async (): Promise<Outcome> => {
        const parameters = { __tslabExports: this.exportsOf(run, assigned), __tslabRequire: this.modules.require };
        Object.assign(globalThis, parameters);
        // The call is part of the script, so that a loop without awaits can be interrupted by Node.
        const script = `${wrapped}(__tslabExports, __tslabRequire)`;
        const finished: unknown = vm.runInThisContext(script, { filename, breakOnSigint: true });
        const ended = Promise.resolve(finished);
        if ((await Promise.race([ended.then(() => 'done'), left])) === 'done') return { status: 'done' };
        const settled = ended.catch(() => undefined).then(() => false);
        const stillRuns = await Promise.race([settled, sleep(settleMilliseconds, true, { ref: false })]);
        return { status: 'left', stillRuns };
      });
    } catch (error) {
      return run.isLeft ? { status: 'left', stillRuns: false } : { status: 'thrown', error };
    }
  }

  /** Names as a run sees them. Assignments of a cell after its interruption are ignored. */
  private exportsOf(run: Run, assigned: Set<string>): Record<string, unknown> {
    const assign = (name: string | symbol, value: unknown): true => {
      if (!run.isLeft && name !== '__esModule') {
        this.values[name as string] = value;
        assigned.add(name as string);
      }
      return true;
    };
    return new Proxy(this.values, {
      set: (_, name, value) => assign(name, value),
      // TypeScript defines imported names by getters; the values are copied, so that a cell can assign the names again.
      defineProperty: (_, name, { get, value }) => assign(name, get ? (get() as unknown) : value),
    });
  }

  private declarationsAfterFailure(
    declared: string,
    values: ReadonlySet<string>,
    assigned: ReadonlySet<string>,
  ): string {
    const { ts } = this.compiler;
    const missing = (name: string) => values.has(name) && !assigned.has(name);
    return keepDeclarations(ts, declared, (name) => !missing(name)) + keepDeclarations(ts, this.declarations, missing);
  }

  /** Takes a cell that begins with a comment of tslab's, `@module name`, as a module. */
  private addModule(source: string): Outcome | undefined {
    const { getCodeMetadata } = require('tslab/dist/metadata.js') as typeof import('tslab/dist/metadata.js');
    const { module } = getCodeMetadata(source) as { module?: string };
    if (!module) return undefined;
    const problems = this.compiler.addModule(module, source).map(problemOf);
    return problems.length > 0 ? { status: 'refused', problems } : { status: 'done' };
  }

  private check(): void {
    if (this.running.getStore()?.isLeft) throw new Interrupted('The cell was interrupted.');
  }
}

/** Imports of cells: packages from the project's folder, TypeScript files compiled with the cell. */
class LocalModules {
  private readonly sources = new Map<string, string>();
  private readonly loaded = new Map<string, Module>();
  readonly require: NodeJS.Require;

  constructor(folder: string) {
    this.require = this.requireFrom(createRequire(path.join(folder, 'cell.js')), folder);
  }

  add(modules: readonly { readonly path: string; readonly data: string }[]): void {
    for (const { path: file, data } of modules) {
      this.loaded.delete(file);
      this.sources.set(file, data);
    }
  }

  private requireFrom(standard: NodeJS.Require, folder: string): NodeJS.Require {
    return new Proxy(standard, {
      apply: (_target, _this, [id]: [string]): unknown => {
        if (id === '@tensorflow/tfjs-node') return this.nativeTensorFlow(standard);
        const file = path.resolve(folder, path.extname(id) === '' ? `${id}.js` : id);
        return this.load(file) ?? standard(id);
      },
    });
  }

  private load(file: string): unknown {
    const loaded = this.loaded.get(file);
    if (loaded) return loaded.exports;
    const source = this.sources.get(file);
    if (source === undefined) return undefined;
    const module = new Module(file) as Module & { _compile(code: string, file: string): void };
    module.filename = file;
    module.require = this.requireFrom(createRequire(file), path.dirname(file));
    module._compile(source, file);
    this.loaded.set(file, module);
    return module.exports;
  }

  /** TensorFlow's native library. danfojs-node needs the package's own name for TensorFlow.js without it. */
  private nativeTensorFlow(standard: NodeJS.Require): unknown {
    try {
      return standard('tfjs-node');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error;
      throw new Error(
        "@tensorflow/tfjs-node is not installed here: npm could not download TensorFlow's library. Import '@tensorflow/tfjs' " +
          "instead, which has the same functions, and make it fast with: import { useBackend } from 'captioner/train'; await useBackend('onnx');",
        { cause: error },
      );
    }
  }
}
