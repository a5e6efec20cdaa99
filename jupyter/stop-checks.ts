import type * as TypeScript from '@tslab/typescript-for-tslab';

/**
 * The code with a check at the start of each loop that awaits: `__tslab__.check()` throws once the cell that runs the loop was interrupted.
 * JavaScript can't be stopped from outside between two awaits. No line moves.
 */
export function withStopChecks(ts: typeof TypeScript, code: string): string {
  // As the body of an async function: elsewhere `await (x)` is a call.
  const head = 'async () => {';
  const file = ts.createSourceFile('cell.js', `${head}${code}\n}`, ts.ScriptTarget.ES2022, true);
  const bodies: TypeScript.Statement[] = [];
  const visit = (node: TypeScript.Node): void => {
    if (ts.isIterationStatement(node, false) && awaits(ts, node)) bodies.push(node.statement);
    ts.forEachChild(node, visit);
  };
  visit(file);
  // Insertions from the last to the first, so that positions stay true.
  const insertions = bodies
    .flatMap((body) =>
      ts.isBlock(body)
        ? [{ at: body.getStart(file) + 1, text: '__tslab__.check();' }]
        : [
            { at: body.getStart(file), text: '{__tslab__.check();' },
            { at: body.getEnd(), text: '}' },
          ],
    )
    .sort((a, b) => b.at - a.at);
  return insertions.reduce(
    (text, { at, text: inserted }) => text.slice(0, at - head.length) + inserted + text.slice(at - head.length),
    code,
  );
}

/** Whether a loop awaits in itself, not only in functions that it makes. */
function awaits(ts: typeof TypeScript, node: TypeScript.Node): boolean {
  const found = (inner: TypeScript.Node): boolean => {
    if (ts.isAwaitExpression(inner) || (ts.isForOfStatement(inner) && inner.awaitModifier)) return true;
    if (ts.isFunctionLike(inner) || ts.isClassLike(inner)) return false;
    return ts.forEachChild(inner, found) ?? false;
  };
  return found(node);
}
