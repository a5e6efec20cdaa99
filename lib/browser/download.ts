import { concatBytes } from '../files/bytes.js';
import { CaptionerError } from '../errors.js';
import type { DownloadProgress } from './messages.js';

/**
 * Downloads files, all at the same time. The browser's cache applies. Files that are compressed with
 * gzip, under the same names, are decompressed: many servers do not compress the files of a model.
 *
 * @param urls addresses by name.
 * @param onProgress receives the bytes of all files together.
 * @returns their bytes by name.
 * @throws CaptionerError `download`: one is not there, or the connection breaks; anything that
 *   `signal` was aborted with.
 */
export async function download(
  urls: ReadonlyMap<string, string>,
  onProgress: (progress: DownloadProgress) => void,
  signal: AbortSignal,
): Promise<Map<string, Uint8Array>> {
  const loaded = new Map<string, number>();
  const totals = new Map<string, number>();
  const sum = (numbers: ReadonlyMap<string, number>) => [...numbers.values()].reduce((a, b) => a + b, 0);
  const report = () => {
    // A total is known once all files have begun.
    if (totals.size === urls.size) onProgress({ loaded: sum(loaded), total: Math.max(sum(loaded), sum(totals)) });
  };
  const files = await Promise.all(
    [...urls].map(async ([name, url]): Promise<[string, Uint8Array]> => {
      const begin = (total: number) => totals.set(name, total);
      const advance = (bytes: number) => {
        loaded.set(name, bytes);
        report();
      };
      return [name, await downloadFile(url, begin, advance, signal)];
    }),
  );
  return new Map(files);
}

async function downloadFile(
  url: string,
  begin: (total: number) => void,
  advance: (loaded: number) => void,
  signal: AbortSignal,
): Promise<Uint8Array> {
  const refuse = (reason: string, cause?: unknown) =>
    new CaptionerError('download', `${url} can't be downloaded: ${reason}. Check the address and the connection.`, {
      cause,
    });
  try {
    const reply = await fetch(url, { signal });
    if (!reply.ok || !reply.body) throw refuse(`the server answered with status ${reply.status}`);
    // The length of a compressed file says nothing about its bytes.
    const compressed = reply.headers.has('content-encoding');
    begin(compressed ? 0 : Number(reply.headers.get('content-length') ?? 0));
    const chunks: Uint8Array[] = [];
    let loaded = 0;
    const reader = reply.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done) break;
      chunks.push(value);
      advance((loaded += value.length));
    }
    return await decompressed(concatBytes(chunks));
  } catch (error) {
    signal.throwIfAborted();
    if (error instanceof CaptionerError) throw error;
    throw refuse((error as Error).message, error);
  }
}

/** The content of a gzip file; any other bytes as they are. */
async function decompressed(bytes: Uint8Array): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  const content = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream('gzip'));
  return new Uint8Array(await new Response(content).arrayBuffer());
}
