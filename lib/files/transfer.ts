import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptionerError } from '../errors.js';
import type { ProgressReporter } from '../progress.js';
import { hashOfFile } from './checksum.js';

/** A file to download, with its size and checksum for verification. */
export interface DownloadRequest {
  readonly url: string;
  /** Destination. The file appears there only when it is complete and verified. */
  readonly file: string;
  readonly bytes?: number;
  readonly sha256?: string;
  /** Used if no SHA-256 is known. */
  readonly md5?: string;
}

export interface DownloadOptions {
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
  /** Maximum number of consecutive attempts without new data. */
  readonly attempts?: number;
  /** Time without data after which a connection is closed, in ms. */
  readonly patience?: number;
  /** Waits between attempts. */
  readonly wait?: (milliseconds: number, signal?: AbortSignal) => Promise<unknown>;
}

/** Longest Retry-After to wait for, in ms. */
const longestWait = 120_000;

/** A failure that is worth another attempt, with the delay that the server asked for. */
class Retryable extends Error {
  constructor(
    message: string,
    readonly wait?: number,
  ) {
    super(message);
  }
}

/** One download over all its attempts. The file gets its name only at the end. */
export class Transfer {
  /** Most bytes received so far. Only more than that counts as progress. */
  private best = 0;
  private resumed = false;

  constructor(
    private readonly request: DownloadRequest,
    private readonly options: DownloadOptions,
    private readonly part: string,
    private readonly progress: ProgressReporter,
  ) {}

  async complete(): Promise<void> {
    const { attempts = 5, wait = sleepUntilAborted, signal } = this.options;
    for (let failures = 0; ;) {
      try {
        signal?.throwIfAborted();
        await this.attempt();
        const fault = await this.fault();
        if (!fault) return this.forget();
        // A resumed file may be a mix of two versions. Start over once.
        this.restart();
        if (!this.resumed) throw new CaptionerError('download', fault);
        this.resumed = false;
      } catch (error) {
        if (!(error instanceof Retryable)) throw error;
        const size = this.size();
        failures = size > this.best ? 1 : failures + 1;
        this.best = Math.max(this.best, size);
        if (failures >= attempts) throw error;
        const pause = error.wait ?? 500 * 2 ** failures;
        if (pause > longestWait) {
          throw new CaptionerError('download', `${error.message}, and asks to wait ${Math.round(pause / 1000)} s`);
        }
        await wait(pause, signal);
      }
    }
  }

  /** Fetches the missing part, or as much as the connection delivers. */
  private async attempt(): Promise<void> {
    const { bytes, sha256, md5 } = this.request;
    const validator = this.validator();
    let offset = this.size();
    if ((bytes !== undefined && offset > bytes) || (validator ?? sha256 ?? md5) === undefined) {
      this.restart();
      offset = 0;
    }
    if (offset > 0 && offset === bytes) {
      this.resumed = true;
      return;
    }

    const stalled = new AbortController();
    const patience = this.options.patience ?? 60_000;
    const timer = setTimeout(() => stalled.abort(), patience);
    try {
      const response = await this.get(
        offset,
        validator,
        AbortSignal.any([stalled.signal, this.options.signal ?? stalled.signal]),
      );
      offset = this.accept(response, offset);
      const handle = await open(this.part, offset > 0 ? 'r+' : 'w');
      try {
        await this.receive(response, handle, offset, () => timer.refresh());
      } finally {
        await handle.close();
      }
    } catch (error) {
      if (this.options.signal?.aborted || error instanceof Retryable || error instanceof CaptionerError) throw error;
      if ((error as NodeJS.ErrnoException).syscall === 'write') throw error;
      throw new Retryable(stalled.signal.aborted ? `no data for ${patience / 1000} s` : reasonOf(error));
    } finally {
      clearTimeout(timer);
    }
    if (bytes !== undefined && this.size() < bytes) throw new Retryable(`the connection closed early`);
  }

  private async get(offset: number, validator: string | undefined, signal: AbortSignal): Promise<Response> {
    const response = await fetch(this.request.url, {
      signal,
      headers: {
        // Byte ranges of a compressed response would not be those of the file.
        'Accept-Encoding': 'identity',
        'User-Agent': 'captioner',
        ...(offset > 0 && { Range: `bytes=${offset}-`, ...(validator && { 'If-Range': validator }) }),
      },
    });
    if (response.status === 200 || response.status === 206) return response;
    await response.body?.cancel();
    const says = `the server responds ${response.status} ${response.statusText}`.trim();
    if (response.status === 416) {
      this.restart();
      throw new Retryable(says, 0);
    }
    if ([408, 425, 429].includes(response.status) || response.status >= 500)
      throw new Retryable(says, retryAfter(response));
    throw new CaptionerError('download', says);
  }

  /** The offset in the file at which the response's bytes belong. */
  private accept(response: Response, offset: number): number {
    const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
    if (response.status === 206 && Number(first) !== offset) {
      this.restart();
      throw new Retryable(`the server sent a different range than requested`);
    }
    const start = response.status === 206 ? offset : 0;
    const whole = response.status === 206 ? Number(total) : Number(response.headers.get('content-length') ?? NaN);
    this.resumed ||= start > 0;
    if (start === 0) this.restart();
    const etag = response.headers.get('etag');
    const validator = etag && !etag.startsWith('W/') ? etag : response.headers.get('last-modified');
    if (validator) writeFileSync(`${this.part}.json`, JSON.stringify({ url: this.request.url, validator }));
    if (this.request.bytes === undefined && whole > 0) {
      this.progress.start(`Downloading ${path.basename(this.request.file)}`, whole, 'bytes');
    }
    return start;
  }

  private async receive(response: Response, handle: FileHandle, offset: number, alive: () => void): Promise<void> {
    const limit = this.request.bytes ?? Infinity;
    let position = offset;
    for await (const chunk of response.body ?? []) {
      alive();
      const bytes = chunk as Uint8Array;
      for (let written = 0; written < bytes.length;) {
        written += (await handle.write(bytes, written, bytes.length - written, position + written)).bytesWritten;
      }
      position += bytes.length;
      this.progress.update(position);
      // More than the expected size is not the file; the size check fails then.
      if (position > limit) break;
    }
    await handle.sync();
  }

  /** The fault of the received file, or undefined. */
  private async fault(): Promise<string | undefined> {
    const { bytes } = this.request;
    const size = this.size();
    if (bytes !== undefined && size > bytes) return `it has more than the expected ${bytes} bytes`;
    if (bytes !== undefined && size < bytes) return `it has ${size} bytes, expected ${bytes}`;
    return await checksumFault(this.part, this.request, this.progress);
  }

  private size(): number {
    return statSync(this.part, { throwIfNoEntry: false })?.size ?? 0;
  }

  /** The server's name for the version of the partial file, if known. */
  private validator(): string | undefined {
    try {
      const note = JSON.parse(readFileSync(`${this.part}.json`, 'utf8')) as { url: string; validator: string };
      return note.url === this.request.url ? note.validator : undefined;
    } catch {
      return undefined;
    }
  }

  private restart(): void {
    rmSync(this.part, { force: true });
    this.forget();
  }

  private forget(): void {
    rmSync(`${this.part}.json`, { force: true });
  }
}

/** Size from which hashing a file takes long enough to show progress. */
const longToRead = 2 ** 27;

/** The fault of a file's checksum, or undefined if it matches or none is known. */
export async function checksumFault(
  file: string,
  { sha256, md5 }: { readonly sha256?: string; readonly md5?: string },
  progress?: ProgressReporter,
): Promise<string | undefined> {
  const expected = sha256 ?? md5;
  if (expected === undefined) return undefined;
  const { size } = statSync(file);
  if (size >= longToRead) progress?.start(`Verifying ${path.basename(file).replace(/\.part$/, '')}`, size, 'bytes');
  const report = size >= longToRead ? (done: number) => progress?.update(done) : undefined;
  const found = await hashOfFile(file, sha256 ? 'sha256' : 'md5', report);
  return found === expected ? undefined : `its ${sha256 ? 'SHA-256' : 'MD5'} is ${found}, expected ${expected}`;
}

/** Delay in ms from a Retry-After header: seconds or a date (RFC 9110 section 10.2.3). */
function retryAfter(response: Response): number | undefined {
  const value = response.headers.get('retry-after');
  if (value === null) return undefined;
  const milliseconds = /^\d+$/.test(value) ? 1000 * Number(value) : Date.parse(value) - Date.now();
  return Number.isNaN(milliseconds) ? undefined : Math.max(0, milliseconds);
}

/** The reason for a failed fetch, which only its cause states. */
export function reasonOf(error: unknown): string {
  const { message, cause } = error as Error & { cause?: Error & { code?: string } };
  return cause ? cause.message || cause.code || message : message;
}

async function sleepUntilAborted(milliseconds: number, signal?: AbortSignal): Promise<void> {
  await sleep(milliseconds, undefined, { signal });
}
