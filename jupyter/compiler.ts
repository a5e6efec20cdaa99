import { createRequire } from 'node:module';
import type { Converter } from 'tslab/dist/converter.js';
import type * as TypeScript from '@tslab/typescript-for-tslab';

const require = createRequire(import.meta.url);

/**
 * tslab's converter from TypeScript to JavaScript, with what it leaves out: strict types; packages resolved by their "exports", so that
 * `import … from 'captioner'` has types; `await (…)`, `await […]` and `for await` at the top level of a cell; `{ name }` for a name of an
 * earlier cell.
 *
 * It reaches into tslab, whose version is pinned: the options are put into the compiler as tslab starts it.
 */
export function createCellConverter(): Converter {
  const compiler = createRequire(require.resolve('tslab')).resolve('@tslab/typescript-for-tslab');
  const ts = require(compiler) as typeof TypeScript;
  // Sources don't change while a kernel runs: hundreds of file watchers would do nothing but work.
  ts.sys.watchFile = () => ({ close: () => undefined });

  const createHost = ts.createWatchCompilerHost as (...parameters: unknown[]) => unknown;
  const stricterHost = (roots: string[], options: TypeScript.CompilerOptions, ...rest: unknown[]) =>
    createHost(
      roots,
      {
        ...options,
        strict: true,
        moduleResolution: ts.ModuleResolutionKind.Bundler,
        types: ['node'],
        disableTopLevelAwait: false,
      },
      ...rest,
    );
  // The compiler's functions can't be replaced. tslab gets it through something that looks like it.
  require.cache[compiler]!.exports = new Proxy(ts, {
    get: (target, name) => (name === 'createWatchCompilerHost' ? stricterHost : Reflect.get(target, name)),
  });
  const { createConverter } = require('tslab/dist/converter.js') as typeof import('tslab/dist/converter.js');
  const converter = createConverter({});
  return {
    ...converter,
    convert: (declarations, source) => ({
      ...converter.convert(declarations, withoutShorthand(ts, source)),
      hasToplevelAwait: awaitsAtTop(ts, source),
    }),
  };
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

/** `{ name }` as `{ name: name }`: of the first, tslab doesn't see that it may be a name of an earlier cell. */
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
