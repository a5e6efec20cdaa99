import { explainFileError } from '../lib/index.js';

/** Ends the program because its output can't be written. It says why: the disk may be full. */
export function endForOutputError(error: NodeJS.ErrnoException): never {
  const reason = (explainFileError(error, 'Standard output') as Error).message;
  process.stderr.write(`captioner: ${reason}\n`);
  process.exit(1);
}
