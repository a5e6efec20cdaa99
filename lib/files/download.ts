import { rmSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { CaptionerError, explainFileError } from '../errors.js';
import { silent } from '../progress.js';
import { tryLock } from './lock.js';
import { temporaryName } from './temporary-name.js';
import { reasonOf, Transfer, type DownloadOptions, type DownloadRequest } from './transfer.js';

/**
 * Downloads a file. Resumes an interrupted download, also one of an earlier process; verifies size
 * and SHA-256 if they are known; gives the file its name only at the end. Until then the data is in
 * `<file>.part`, which is resumed only if the server reports the same version (ETag or
 * Last-Modified) or a checksum will verify it. Broken connections, 408, 429 and 5xx are retried
 * with growing delays, or after the time in `Retry-After`.
 *
 * @throws CaptionerError `download` if the file is unavailable or wrong, or the disk is full;
 * `interrupted` if `signal` was aborted (the data so far is kept).
 */
export async function download(request: DownloadRequest, options: DownloadOptions = {}): Promise<void> {
  const unlock = await lockFile(request.file);
  // Another process is downloading the same file. Use another name rather than wait for it, as it
  // may never finish.
  const part = unlock ? `${request.file}.part` : temporaryName(request.file);
  const progress = options.progress ?? silent;
  const name = path.basename(request.file);
  try {
    progress.start(`Downloading ${name}`, request.bytes ?? 0, 'bytes');
    await new Transfer(request, options, part, progress).complete();
    await rename(part, request.file);
  } catch (error) {
    throw explain(error, request, options.signal);
  } finally {
    progress.stop();
    if (!unlock) rmSync(part, { force: true });
    unlock?.();
  }
}

async function lockFile(file: string): Promise<(() => void) | undefined> {
  try {
    await mkdir(path.dirname(file), { recursive: true });
    return tryLock(`${file}.lock`);
  } catch (error) {
    throw explainFileError(error, file);
  }
}

function explain(error: unknown, { url, file }: DownloadRequest, signal?: AbortSignal): CaptionerError {
  if (signal?.aborted) {
    return new CaptionerError(
      'interrupted',
      `Stopped downloading ${url}. The part that has arrived is kept and will be resumed.`,
    );
  }
  const ours = explainFileError(error, file);
  if (ours instanceof CaptionerError && ours !== error)
    return new CaptionerError('download', ours.message, { cause: error });
  return new CaptionerError(
    'download',
    `${url} can't be downloaded: ${reasonOf(error)}. Try again later, or set CAPTIONER_MIRROR to a folder or URL that has ` +
      `${path.basename(file)}.`,
    { cause: error },
  );
}
