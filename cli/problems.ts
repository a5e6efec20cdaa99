import type { Problem } from '../lib/index.js';

/** A data set's problems, as lines for people: the first ones, and how many more there are. */
export function problemLines(problems: readonly Problem[], most = 10): string[] {
  const lines = problems.slice(0, most).map(({ source, line, message }) => {
    return `${source}${line === undefined ? '' : `:${line}`}: ${message}`;
  });
  if (problems.length > most) lines.push(`… and ${problems.length - most} more problems (captioner info lists all)`);
  return lines;
}
