import { createWriteStream } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import type { Entry, ZipFile } from 'yauzl';
import { CaptionerError, explainFileError } from '../errors.js';
import { silent, type ProgressReporter } from '../progress.js';

export interface UnzipOptions {
  /** Selects files by their path in the archive. Default: all. */
  readonly only?: (path: string) => boolean;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
}

/**
 * Mask of the file type in the upper half of an entry's Unix attributes, and the type of a regular
 * file.
 */
const typeMask = 0o170000;
const plainFile = 0o100000;

/**
 * Unpacks a zip archive into a folder, file by file, without loading any into memory. Checks the
 * length and CRC-32 of each file. Refuses links and names that lead out of the folder. Skips
 * metadata files of macOS and Windows.
 *
 * To get all files or none, unpack into a separate folder and rename it.
 *
 * @returns the number of files written.
 * @throws CaptionerError `corrupt` if it is not a zip archive, is damaged, or contains such names;
 * `download` if the disk is full; `interrupted`.
 */
export async function unzip(archive: string, folder: string, options: UnzipOptions = {}): Promise<number> {
  const { only = () => true, progress = silent, signal } = options;
  const { openPromise } = await import('yauzl');
  let zip: ZipFile | undefined;
  try {
    // `strictFileNames` refuses backslashes. yauzl always refuses absolute names and those with
    // "..".
    zip = await openPromise(archive, { lazyEntries: true, autoClose: false, strictFileNames: true });
    progress.start(`Unpacking ${path.basename(archive)}`, zip.fileSize, 'bytes');
    let [files, done] = [0, 0];
    const folders = new Set<string>();
    for await (const entry of zip.eachEntry()) {
      signal?.throwIfAborted();
      done += entry.compressedSize;
      if (isFolder(entry) || isJunk(entry.fileName) || !only(entry.fileName)) continue;
      const target = targetOf(entry, folder);
      const parent = path.dirname(target);
      if (!folders.has(parent)) await mkdir(parent, { recursive: true });
      folders.add(parent);
      const check = new ChecksumCheck(entry);
      await pipeline(await zip.openReadStreamPromise(entry), check, createWriteStream(target, { flags: 'wx' }), {
        signal,
      });
      files++;
      progress.update(done);
    }
    return files;
  } catch (error) {
    throw explain(error, archive, folder, signal);
  } finally {
    progress.stop();
    zip?.close();
  }
}

/** Passes bytes through and fails at the end if length or checksum differ. */
class ChecksumCheck extends Transform {
  private checksum = 0;

  constructor(private readonly entry: Entry) {
    super();
  }

  override _transform(chunk: Buffer, _: unknown, done: (error: null, chunk: Buffer) => void): void {
    this.checksum = crc32(chunk, this.checksum);
    done(null, chunk);
  }

  override _flush(done: (error?: Error) => void): void {
    if (this.checksum === this.entry.crc32) done();
    else done(new Error(`the checksum of ${this.entry.fileName} does not match`));
  }
}

function isFolder({ fileName }: Entry): boolean {
  return fileName.endsWith('/');
}

function isJunk(name: string): boolean {
  return name.startsWith('__MACOSX/') || /(?:^|\/)(?:\.DS_Store|Thumbs\.db|desktop\.ini)$/.test(name);
}

function targetOf({ fileName, externalFileAttributes, versionMadeBy }: Entry, folder: string): string {
  const madeOnUnix = versionMadeBy >> 8 === 3;
  const type = madeOnUnix ? (externalFileAttributes >>> 16) & typeMask : 0;
  if (type !== 0 && type !== plainFile) throw new Error(`${fileName} is not a regular file`);
  const target = path.resolve(folder, fileName);
  if (!target.startsWith(path.resolve(folder) + path.sep)) throw new Error(`${fileName} points outside its folder`);
  return target;
}

function explain(error: unknown, archive: string, folder: string, signal?: AbortSignal): CaptionerError {
  if (signal?.aborted)
    return new CaptionerError('interrupted', `Stopped unpacking ${archive}. Run the same command again to continue.`);
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT') return new CaptionerError('not-found', `There is no archive ${archive}.`, { cause: error });
  const ours = explainFileError(error, folder);
  if (ours instanceof CaptionerError && ours !== error)
    return new CaptionerError('download', ours.message, { cause: error });
  return new CaptionerError('corrupt', `${archive} is damaged or not a zip archive (${message}).`, { cause: error });
}
