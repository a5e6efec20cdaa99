import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);

/** The folder of the package, of the sources as well as of the compiled files. */
export const projectFolder = path.dirname(require.resolve('captioner/package.json'));

/** The version of the package. */
export function libraryVersion(): string {
  return (require('captioner/package.json') as { version: string }).version;
}
