import type * as TypeScript from '@tslab/typescript-for-tslab';

/** Names to which a cell, compiled to CommonJS, gives values: variables, functions, classes and imported values. Types have none. */
export function valueNames(code: string): Set<string> {
  const names = new Set<string>();
  for (const [, name] of code.matchAll(/\bexports\.([\w$]+) =(?!=)/g)) names.add(name);
  for (const [, name] of code.matchAll(/\bObject\.defineProperty\(exports, "([\w$]+)"/g)) names.add(name);
  return names;
}

/** The declarations (text of a `.d.ts` file) of those names that `keep` accepts. */
export function keepDeclarations(ts: typeof TypeScript, text: string, keep: (name: string) => boolean): string {
  const file = ts.createSourceFile('cell.d.ts', text, ts.ScriptTarget.ES2022, true);
  const kept = file.statements.flatMap((statement) => keptStatement(ts, statement, keep) ?? []);
  const printer = ts.createPrinter({ newLine: ts.NewLineKind.LineFeed });
  return kept.map((statement) => `${printer.printNode(ts.EmitHint.Unspecified, statement, file)}\n`).join('');
}

function keptStatement(
  ts: typeof TypeScript,
  statement: TypeScript.Statement,
  keep: (name: string) => boolean,
): TypeScript.Statement | undefined {
  const { factory } = ts;
  if (ts.isVariableStatement(statement)) {
    const kept = statement.declarationList.declarations.filter(({ name }) => ts.isIdentifier(name) && keep(name.text));
    if (kept.length === 0) return undefined;
    const list = factory.updateVariableDeclarationList(statement.declarationList, kept);
    return factory.updateVariableStatement(statement, statement.modifiers, list);
  }
  if (ts.isImportDeclaration(statement)) return keptImport(ts, statement, keep);
  const named = statement as TypeScript.Statement & { readonly name?: TypeScript.Node };
  return named.name && ts.isIdentifier(named.name) && !keep(named.name.text) ? undefined : statement;
}

function keptImport(
  ts: typeof TypeScript,
  statement: TypeScript.ImportDeclaration,
  keep: (name: string) => boolean,
): TypeScript.ImportDeclaration | undefined {
  const { factory } = ts;
  const { importClause: clause } = statement;
  if (!clause) return statement;
  const name = clause.name && keep(clause.name.text) ? clause.name : undefined;
  const { namedBindings: all } = clause;
  let bindings: TypeScript.NamedImportBindings | undefined;
  if (all && ts.isNamespaceImport(all)) bindings = keep(all.name.text) ? all : undefined;
  else if (all) {
    const elements = all.elements.filter((element) => keep(element.name.text));
    bindings = elements.length > 0 ? factory.updateNamedImports(all, elements) : undefined;
  }
  if (!name && !bindings) return undefined;
  return factory.updateImportDeclaration(
    statement,
    statement.modifiers,
    factory.updateImportClause(clause, clause.isTypeOnly, name, bindings),
    statement.moduleSpecifier,
    statement.assertClause,
  );
}
