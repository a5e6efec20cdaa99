import { randomBytes } from 'node:crypto';

/**
 * A new name beside a file, for content that is renamed to it when it is complete. The name does not
 * come from the process id, which is the same in many containers.
 */
export function temporaryName(file: string): string {
  return `${file}.${randomBytes(4).toString('hex')}.tmp`;
}
