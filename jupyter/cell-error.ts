import { inspect } from 'node:util';
import type { CellPlace, Executor, Outcome } from './executor.js';
import type { CellPosition, Problem } from './compiler.js';

/**
 * The error of a cell, in the form of Jupyter's `error` message and a notebook's `error` output.
 */
export interface CellError {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: readonly string[];
}

type Places = Pick<Executor, 'placeOf'>;

/** The error of a cell, or undefined if it ran to its end. */
export function cellError(outcome: Outcome, source: string, places: Places): CellError | undefined {
  switch (outcome.status) {
    case 'done':
      return undefined;
    case 'refused':
      return refusal(outcome.problems, source);
    case 'left':
      return interruption(outcome.stillRuns);
    case 'thrown':
      return isInterruption(outcome.error) ? interruption(false) : thrownError(outcome.error, places);
  }
}

function refusal(problems: readonly Problem[], source: string): CellError {
  const lines = source.split('\n');
  const place = ({ file, line, column, message }: Problem) => `${file ? `${file} ` : ''}${line}:${column} - ${message}`;
  const shown = problems.map((problem) => {
    const text = problem.file ? '' : `\n    ${(lines[problem.line - 1] ?? '').trim()}`;
    return `${place(problem)}${text}`;
  });
  return { ename: 'TypeScript', evalue: place(problems[0]), traceback: ['TypeScript rejects the cell:', ...shown] };
}

function interruption(stillRuns: boolean): CellError {
  const evalue = stillRuns
    ? 'The cell was interrupted, but something that it started is still running and may slow down other cells. Restart the kernel to end it.'
    : 'The cell was interrupted.';
  return { ename: 'Interrupted', evalue, traceback: [`Interrupted: ${evalue}`] };
}

function isInterruption(error: unknown): boolean {
  return isErrorLike(error) && (error as { code?: string }).code === 'ERR_SCRIPT_EXECUTION_INTERRUPTED';
}

/** A thrown value, with the lines of the cells that it came through. */
function thrownError(thrown: unknown, places: Places): CellError {
  if (!isErrorLike(thrown)) {
    const evalue = typeof thrown === 'string' ? thrown : inspect(thrown);
    return { ename: 'Thrown', evalue, traceback: [`Thrown: ${evalue}`] };
  }
  const { name, message, stack = '' } = thrown;
  const frames = stack
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .filter((line) => !/node:internal|node:vm|[\\/]node_modules[\\/]tslab[\\/]|[\\/]jupyter[\\/]/.test(line));
  const first = frames.map((line) => placeOf(line, places)).find((place) => place !== undefined);
  const shown = frames.map((line) => {
    const place = placeOf(line, places);
    return place ? line.replace(framePosition, `cell [${place.count}], line ${place.line}`) : line;
  });
  const cause = thrown.cause === undefined ? [] : [`  caused by ${inspect(thrown.cause).split('\n')[0]}`];
  return {
    ename: name,
    evalue: message,
    traceback: [
      `${name}: ${message}`,
      ...(first ? [`cell [${first.count}], line ${first.line}:`, `    ${first.text.trim()}`] : []),
      ...shown,
      ...cause,
    ],
  };
}

const framePosition = /\b(cell-\d+\.ts):(\d+):(\d+)/;

function placeOf(frame: string, places: Places): CellPlace | undefined {
  const [, file, line, column] = framePosition.exec(frame) ?? [];
  const position: CellPosition = { line: Number(line), column: Number(column) };
  return file === undefined ? undefined : places.placeOf(file, position);
}

/** An error, also of another realm. */
function isErrorLike(value: unknown): value is Error {
  return typeof value === 'object' && value !== null && 'message' in value && 'name' in value;
}
