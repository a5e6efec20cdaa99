import { rmSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import path from 'node:path';
import { CaptionerError, explainFileError } from '../errors.js';
import { silent } from '../progress.js';
import { acquireLock } from './lock.js';
import { reasonOf, Transfer, type DownloadOptions, type DownloadRequest } from './transfer.js';

/**
 * Downloads a file: resumed where an earlier attempt or process was cut off, verified by size and SHA-256 where they are known,
 * and renamed to its name at the end. What has arrived so far is in `<file>.part`; it is resumed only if the server
 * says that its file is still the same (ETag or Last-Modified) or the checksum will tell.
 * Cut connections, 408, 429 and 5xx are tried again, waiting longer each time or as long as `Retry-After` says.
 *
 * @throws CaptionerError `download`: it can't be had, is not what was expected, or the disk is full. `interrupted`: `signal` was
 *   aborted; what has arrived is kept.
 */
export async function download(request: DownloadRequest, options: DownloadOptions = {}): Promise<void> {
  const unlock = await lockFile(request.file);
  // Someone else is downloading the same file: fetch it under another name rather than wait for who may never finish.
  const part = unlock ? `${request.file}.part` : `${request.file}.${process.pid}.part`;
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
    return acquireLock(`${file}.lock`);
  } catch (error) {
    throw explainFileError(error, file);
  }
}

function explain(error: unknown, { url, file }: DownloadRequest, signal?: AbortSignal): CaptionerError {
  if (signal?.aborted) {
    return new CaptionerError(
      'interrupted',
      `Stopped downloading ${url}. What has arrived is kept and will be resumed.`,
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
