import { existsSync } from 'node:fs';
import { createRequire, SourceMap, type SourceMapPayload } from 'node:module';
import type { Converter } from 'tslab/dist/converter.js';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { withStopChecks } from './stop-checks.js';

const require = createRequire(import.meta.url);

/** Position in a cell: line and column, counted from 1. */
export interface CellPosition {
  readonly line: number;
  readonly column: number;
}

/** A cell as JavaScript, or the reasons why TypeScript refuses it. */
export type CompiledCell =
  | { readonly problems: readonly Problem[] }
  | {
      readonly problems?: undefined;
      /** Body of a function of `exports` and `require`; empty if a cell holds only types or comments. */
      readonly code: string;
      readonly isAsync: boolean;
      /** Declarations of all names that later cells see. */
      readonly declarations: string;
      /** Local TypeScript modules that the cell imports, as CommonJS. */
      readonly modules: readonly { readonly path: string; readonly data: string }[];
      /** Name under which the value of the last expression is exported. */
      readonly lastExpression?: string;
      /** Position in the cell of a position in `code`. */
      readonly originOf: (position: CellPosition) => CellPosition | undefined;
    };

/** A message of TypeScript about a cell, or about a local module that it imports. */
export interface Problem extends CellPosition {
  /** The module; absent for the cell itself. */
  readonly file?: string;
  readonly message: string;
}

/** Compiles cells with the names of earlier cells in scope. */
export interface CellCompiler extends Pick<Converter, 'inspect' | 'complete' | 'addModule' | 'close'> {
  readonly ts: typeof TypeScript;
  compile(declarations: string, source: string): CompiledCell;
}

/**
 * tslab's converter from TypeScript to JavaScript, with additions: strict types; packages resolved by their "exports", so that
 * `import … from 'captioner'` has types; `await (…)`, `await […]` and `for await` at the top level of a cell; `{ name }` for a name of an
 * earlier cell; source maps; loops that end once their cell was interrupted; names that keep their value until a cell assigns them again.
 *
 * It reaches into tslab, whose version is pinned: options and functions of the compiler are replaced as tslab starts it.
 */
export function createCellCompiler(): CellCompiler {
  const file = createRequire(require.resolve('tslab')).resolve('@tslab/typescript-for-tslab');
  const ts = require(file) as typeof TypeScript;
  // tslab rebuilds its program on request, and fails if a watcher has already requested it. Installing a
  // package while a kernel runs must not disturb the kernel.
  ts.sys.watchFile = () => ({ close: () => undefined });
  ts.sys.watchDirectory = () => ({ close: () => undefined });

  /** The source maps of the last cell: to modules of ECMAScript, then to CommonJS. */
  let maps: readonly SourceMap[] = [];
  const createHost = ts.createWatchCompilerHost as (...parameters: unknown[]) => unknown;
  const replaced: Record<string, unknown> = {
    createWatchCompilerHost: (roots: string[], options: TypeScript.CompilerOptions, ...rest: unknown[]) =>
      createHost(roots, { ...options, ...optionsOf(ts) }, ...rest),
    transpileModule: (module: string, options: TypeScript.TranspileOptions) => {
      const out = ts.transpileModule(module, {
        ...options,
        compilerOptions: { ...options.compilerOptions, sourceMap: true },
      });
      maps = [inlineMap(module), JSON.parse(out.sourceMapText!) as SourceMapPayload]
        .filter((map) => map !== undefined)
        .map((map) => new SourceMap(map));
      const text = out.outputText.replace(/^\/\/# sourceMappingURL=\S+$/gm, '');
      return { ...out, outputText: withStopChecks(ts, withoutReset(text)) };
    },
  };
  // The compiler's functions can't be replaced in place. tslab gets a proxy of it.
  require.cache[file]!.exports = new Proxy(ts, {
    get: (target, name) => replaced[name as string] ?? (Reflect.get(target, name) as unknown),
  });
  const { createConverter } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
  const converter = createConverter({});
  return {
    ...converter,
    ts,
    compile: (declarations, source) => {
      const converted = converter.convert(declarations, withoutShorthand(ts, source));
      if (converted.diagnostics.length > 0) return { problems: converted.diagnostics.map(problemOf) };
      const [toModule, toScript] = maps;
      return {
        code: converted.output ?? '',
        isAsync: awaitsAtTop(ts, source),
        declarations: converted.declOutput ?? '',
        modules: converted.sideOutputs ?? [],
        ...(converted.lastExpressionVar && { lastExpression: converted.lastExpressionVar }),
        originOf: (position) => {
          const inModule = original(toScript, position);
          const inSource = inModule && original(toModule, inModule);
          // tslab puts a line before each cell.
          return inSource && inSource.line > 1 ? { ...inSource, line: inSource.line - 1 } : undefined;
        },
      };
    },
  };
}

function optionsOf(ts: typeof TypeScript): TypeScript.CompilerOptions {
  return {
    strict: true,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    types: ['node'],
    disableTopLevelAwait: false,
    inlineSourceMap: true,
    // npm installs TensorFlow's native package under this name, where it can.
    ...(existsSync('node_modules/tfjs-node') && {
      baseUrl: '.',
      paths: { '@tensorflow/tfjs-node': ['node_modules/tfjs-node'] },
    }),
  };
}

export function problemOf(diagnostic: {
  readonly start: { readonly line: number; readonly character: number };
  readonly messageText: string;
  readonly fileName?: string;
}): Problem {
  const { start, messageText: message, fileName } = diagnostic;
  return { line: start.line + 1, column: start.character + 1, message, ...(fileName && { file: fileName }) };
}

function inlineMap(code: string): SourceMapPayload | undefined {
  const encoded = /\/\/# sourceMappingURL=data:application\/json;base64,(\S+)/.exec(code)?.[1];
  return encoded ? (JSON.parse(Buffer.from(encoded, 'base64').toString()) as SourceMapPayload) : undefined;
}

function original(map: SourceMap | undefined, { line, column }: CellPosition): CellPosition | undefined {
  const entry = map?.findEntry(line - 1, column - 1);
  if (!entry || !('originalLine' in entry)) return undefined;
  return { line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}

/** Without the first statement of a CommonJS module, which sets all exports to undefined: names keep their values until they get new ones. */
function withoutReset(code: string): string {
  return code.replace(/^(?:exports\.[\w$]+ = )+void 0;$/m, '');
}

/** Whether a cell awaits outside of any function. */
function awaitsAtTop(ts: typeof TypeScript, source: string): boolean {
  const file = ts.createSourceFile('cell.ts', `export {};\n${source}`, ts.ScriptTarget.ES2022, true);
  const awaits = (node: TypeScript.Node): boolean => {
    if (ts.isAwaitExpression(node) || (ts.isForOfStatement(node) && node.awaitModifier)) return true;
    if (ts.isFunctionLike(node) || ts.isClassLike(node)) return false;
    return ts.forEachChild(node, awaits) ?? false;
  };
  return awaits(file);
}

/** `{ name }` as `{ name: name }`: in the short form tslab doesn't recognise a name of an earlier cell. */
function withoutShorthand(ts: typeof TypeScript, source: string): string {
  const file = ts.createSourceFile('cell.ts', source, ts.ScriptTarget.ES2022, true);
  const names: TypeScript.Identifier[] = [];
  const visit = (node: TypeScript.Node): void => {
    if (ts.isShorthandPropertyAssignment(node)) names.push(node.name);
    ts.forEachChild(node, visit);
  };
  visit(file);
  return names.reduceRight((text, name) => {
    const at = name.getStart(file);
    return `${text.slice(0, at)}${name.text}: ${text.slice(at)}`;
  }, source);
}
