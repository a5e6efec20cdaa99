import { existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache.js';
import { CaptionerError } from '../errors.js';
import type { ProgressReporter } from '../progress.js';
import { download } from './download.js';
import { checksumFault, type DownloadOptions } from './transfer.js';

/** A published file that can be fetched, with its known size and checksum. */
export interface RemoteFile {
  /**
   * Path below a mirror and below the cache folder, with forward slashes. A mirror may also offer
   * it by its base name.
   */
  readonly path: string;
  readonly bytes?: number;
  readonly sha256?: string;
  /** Used if no SHA-256 is known. */
  readonly md5?: string;
  /** Public origin. Without it the file is only taken from a mirror. */
  readonly url?: string;
}

/** A published file with a name. */
export interface PublishedFile extends RemoteFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface FetchOptions extends DownloadOptions {
  /** Default: the operating system's cache folder. */
  readonly cacheFolder?: string;
  /** A folder or an http(s) URL that is tried first. Default: `CAPTIONER_MIRROR`. */
  readonly mirror?: string;
}

/** The place a file would come from. */
export interface FileSource<F extends RemoteFile = PublishedFile> {
  readonly from: 'mirror' | 'cache' | 'download';
  /** A path, or the URL that would be downloaded. */
  readonly location: string;
  /** Whether it is on this machine. A mirror may be a URL. */
  readonly isHere: boolean;
  readonly file: F;
}

/**
 * Finds the source of one of several equivalent files: a mirror folder, the cache, or the network. Checks
 * file sizes only.
 */
export function sourceOf(files: readonly PublishedFile[], options: FetchOptions = {}): FileSource {
  const local = localFiles(files, options).find(({ location, file }) => {
    const found = statSync(location, { throwIfNoEntry: false });
    return found?.isFile() && found.size === file.bytes;
  });
  if (local) return local;
  const remote = remoteFiles(files, options)[0];
  if (!remote)
    throw new CaptionerError(
      'not-found',
      `There is no source for ${files[0].path}. Set CAPTIONER_MIRROR to a folder or URL that has it.`,
    );
  return remote;
}

/**
 * Path of one of several equivalent files, verified by its checksum or size. Tries in this order: a
 * mirror folder, the cache, a download from a mirror URL or the public origin into the cache.
 *
 * @throws CaptionerError `corrupt` if a mirror has a different file of that name; `download` if
 * nothing else works.
 */
export async function fetchFile(files: readonly RemoteFile[], options: FetchOptions = {}): Promise<string> {
  for (const { from, location, file } of localFiles(files, options)) {
    const found = statSync(location, { throwIfNoEntry: false });
    if (!found?.isFile()) continue;
    const fault = await faultOf(location, found.size, file, options.progress);
    if (!fault) return location;
    if (from === 'mirror') {
      throw new CaptionerError('corrupt', `The mirror's ${location} is not the expected file: ${fault}. Replace it.`);
    }
    // A damaged copy in the cache is fetched again.
    rmSync(location);
  }
  const sources = remoteFiles(files, options);
  const failures: unknown[] = [];
  for (const { location: url, file } of sources) {
    const target = path.join(options.cacheFolder ?? cacheFolder(), file.path);
    try {
      const { bytes, sha256, md5 } = file;
      await download({ url, file: target, bytes, sha256, md5 }, options);
      return target;
    } catch (error) {
      if (error instanceof CaptionerError && error.code === 'interrupted') throw error;
      failures.push(error);
    }
  }
  throw (
    failures.at(-1) ??
    new CaptionerError(
      'not-found',
      `There is no source for ${files[0].path}. Set CAPTIONER_MIRROR to a folder or URL that has it.`,
    )
  );
}

async function faultOf(
  location: string,
  size: number,
  file: RemoteFile,
  progress: ProgressReporter | undefined,
): Promise<string | undefined> {
  try {
    // The length is compared only if there is no checksum.
    const { bytes, sha256, md5 } = file;
    if ((sha256 ?? md5) === undefined && bytes !== undefined && size !== bytes)
      return `it has ${size} bytes, expected ${bytes}`;
    return await checksumFault(location, file, progress);
  } finally {
    progress?.stop();
  }
}

function localFiles<F extends RemoteFile>(files: readonly F[], options: FetchOptions): FileSource<F>[] {
  const mirror = mirrorOf(options);
  const cache = options.cacheFolder ?? cacheFolder();
  if (mirror !== undefined && !isUrl(mirror) && !existsSync(mirror)) {
    throw new CaptionerError(
      'not-found',
      `CAPTIONER_MIRROR is ${mirror}, which is neither a folder nor an http(s) URL.`,
    );
  }
  return [
    ...(mirror === undefined || isUrl(mirror)
      ? []
      : places(files).map(({ place, file }): FileSource<F> => ({
          from: 'mirror',
          isHere: true,
          location: path.join(mirror, place),
          file,
        }))),
    ...files.map((file): FileSource<F> => ({
      from: 'cache',
      isHere: true,
      location: path.join(cache, file.path),
      file,
    })),
  ];
}

function remoteFiles<F extends RemoteFile>(files: readonly F[], options: FetchOptions): FileSource<F>[] {
  const mirror = mirrorOf(options);
  return [
    ...(mirror === undefined || !isUrl(mirror)
      ? []
      : places(files).map(({ place, file }): FileSource<F> => ({
          from: 'mirror',
          isHere: false,
          location: `${mirror.replace(/\/+$/, '')}/${place}`,
          file,
        }))),
    ...files.flatMap((file): FileSource<F>[] =>
      file.url === undefined ? [] : [{ from: 'download', isHere: false, location: file.url, file }],
    ),
  ];
}

/** The candidate paths in a mirror: its own path, or its base name in a flat folder. */
function places<F extends RemoteFile>(files: readonly F[]): { place: string; file: F }[] {
  return files.flatMap((file) => [
    { place: file.path, file },
    ...(file.path.includes('/') ? [{ place: path.posix.basename(file.path), file }] : []),
  ]);
}

/** The mirror, if it is a folder. @param mirror default `CAPTIONER_MIRROR`. */
export function mirrorFolder(mirror?: string): string | undefined {
  const named = mirrorOf({ mirror });
  return named === undefined || isUrl(named) ? undefined : named;
}

function mirrorOf({ mirror = process.env.CAPTIONER_MIRROR }: FetchOptions): string | undefined {
  return mirror === '' ? undefined : mirror;
}

function isUrl(mirror: string): boolean {
  return /^https?:\/\//i.test(mirror);
}
