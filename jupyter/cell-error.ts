import { inspect } from 'node:util';

/** How a cell failed, as Jupyter's `error` message and a notebook's `error` output have it. */
export interface CellError {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

/**
 * What tslab prints when a cell fails, as an error: either one thrown value, or `'%s%d:%d - %s'` with file, line, column and message for
 * each thing that TypeScript has against the cell.
 */
export function cellError(printed: readonly (readonly unknown[])[], source: string): CellError {
  const [first] = printed;
  if (first?.[0] === '%s%d:%d - %s') {
    const lines = source.split('\n');
    const problems = printed.map(([, file, line, column, text]) => {
      const place = `${String(file)}${String(line)}:${String(column)}`;
      const shown = file ? '' : `\n    ${(lines[Number(line) - 1] ?? '').trim()}`;
      return `${place} - ${String(text)}${shown}`;
    });
    const [, file, line, column, text] = first;
    const evalue = `${String(file)}${String(line)}:${String(column)} - ${String(text)}`;
    return { ename: 'TypeScript', evalue, traceback: ['TypeScript refuses the cell:', ...problems] };
  }
  const thrown = first?.[0];
  if (!(thrown instanceof Error) && !isErrorLike(thrown)) {
    const evalue = typeof thrown === 'string' ? thrown : inspect(thrown);
    return { ename: 'Thrown', evalue, traceback: [`Thrown: ${evalue}`] };
  }
  const { name, message, stack = '' } = thrown;
  const frames = stack
    .replaceAll('evalmachine.<anonymous>', 'cell')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .filter((line) => !/node:internal|node:vm|[\\/]node_modules[\\/]tslab[\\/]|[\\/]jupyter[\\/]/.test(line));
  const cause = thrown.cause === undefined ? [] : [`  caused by ${inspect(thrown.cause).split('\n')[0]}`];
  return { ename: name, evalue: message, traceback: [`${name}: ${message}`, ...frames, ...cause] };
}

/** An error of another realm, as `vm` throws when it is interrupted. */
function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && 'name' in value;
}
