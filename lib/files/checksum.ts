import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';

/** SHA-256 of bytes, in hexadecimal. */
export function sha256OfBytes(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/**
 * Checksum of a file, in hexadecimal. MD5 is for files whose publishers offer nothing better: it
 * detects damage, not tampering.
 * @param onBytes receives the number of bytes read so far.
 */
export async function hashOfFile(
  file: string,
  algorithm: 'sha256' | 'md5',
  onBytes?: (done: number) => void,
): Promise<string> {
  const hash = createHash(algorithm);
  let done = 0;
  for await (const chunk of createReadStream(file, { highWaterMark: 2 ** 20 })) {
    hash.update(chunk as Buffer);
    done += (chunk as Buffer).length;
    onBytes?.(done);
  }
  return hash.digest('hex');
}
