import { existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from './cache.js';
import { CaptionerError } from '../errors.js';
import type { ProgressReporter } from '../progress.js';
import { download } from './download.js';
import { checksumFault, type DownloadOptions } from './transfer.js';

/** A file that is somewhere else, with as much as is known of it. */
export interface RemoteFile {
  /** Its place below a mirror and below the cache folder, with forward slashes. A mirror may also have it by its base name. */
  readonly path: string;
  readonly bytes?: number;
  readonly sha256?: string;
  /** Where no SHA-256 is known. */
  readonly md5?: string;
  /** Its public origin. One without is taken only from a mirror. */
  readonly url?: string;
}

/** A published file, wherever it may be had. */
export interface PublishedFile extends RemoteFile {
  readonly bytes: number;
  readonly sha256: string;
}

export interface FetchOptions extends DownloadOptions {
  /** The operating system's cache folder where it is left out. */
  readonly cacheFolder?: string;
  /** A folder or an http(s) URL that is asked first; `CAPTIONER_MIRROR` where it is left out. */
  readonly mirror?: string;
}

/** Where a file would come from. */
export interface FileSource<F extends RemoteFile = PublishedFile> {
  readonly from: 'mirror' | 'cache' | 'download';
  /** A path, or the URL that would be downloaded. */
  readonly location: string;
  /** Whether it is on this machine: a mirror may be a URL. */
  readonly isHere: boolean;
  readonly file: F;
}

/**
 * Where one of several equally good files would come from: a mirror that is a folder, the cache, or the network.
 * Nothing is read but sizes.
 */
export function sourceOf(files: readonly PublishedFile[], options: FetchOptions = {}): FileSource {
  const local = localFiles(files, options).find(({ location, file }) => {
    const found = statSync(location, { throwIfNoEntry: false });
    return found?.isFile() && found.size === file.bytes;
  });
  if (local) return local;
  const remote = remoteFiles(files, options)[0];
  if (!remote) throw new CaptionerError('not-found', `There is no place to get ${files[0].path} from.`);
  return remote;
}

/**
 * The path of one of several equally good files, verified by what is known of it: in a mirror's folder, from the cache, or
 * downloaded into the cache from a mirror's URL or from its origin, in this order.
 *
 * @throws CaptionerError `corrupt`: a mirror has a file of that name that is another one. `download` when nothing else works.
 */
export async function fetchFile(files: readonly RemoteFile[], options: FetchOptions = {}): Promise<string> {
  for (const { from, location, file } of localFiles(files, options)) {
    const found = statSync(location, { throwIfNoEntry: false });
    if (!found?.isFile()) continue;
    const fault = await faultOf(location, found.size, file, options.progress);
    if (!fault) return location;
    if (from === 'mirror') {
      throw new CaptionerError('corrupt', `The mirror's ${location} is not the file it should be: ${fault}.`);
    }
    // A damaged copy of ours is fetched again.
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
  throw failures.at(-1) ?? new CaptionerError('not-found', `There is no place to get ${files[0].path} from.`);
}

async function faultOf(
  location: string,
  size: number,
  file: RemoteFile,
  progress: ProgressReporter | undefined,
): Promise<string | undefined> {
  try {
    // A checksum says more than a length; where there is none, the length has to do.
    const { bytes, sha256, md5 } = file;
    if ((sha256 ?? md5) === undefined && bytes !== undefined && size !== bytes)
      return `it has ${size} bytes, ${bytes} were expected`;
    return await checksumFault(location, file, progress);
  } finally {
    progress?.stop();
  }
}

function localFiles<F extends RemoteFile>(files: readonly F[], options: FetchOptions): FileSource<F>[] {
  const mirror = mirrorOf(options);
  const cache = options.cacheFolder ?? cacheFolder();
  if (mirror !== undefined && !isUrl(mirror) && !existsSync(mirror)) {
    throw new CaptionerError('not-found', `CAPTIONER_MIRROR names ${mirror}, which is no folder and no http(s) URL.`);
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

/** A mirror has a file at its path or, if it is a plain folder of files, by its name. */
function places<F extends RemoteFile>(files: readonly F[]): { place: string; file: F }[] {
  return files.flatMap((file) => [
    { place: file.path, file },
    ...(file.path.includes('/') ? [{ place: path.posix.basename(file.path), file }] : []),
  ]);
}

/** The mirror, where it is a folder. @param mirror `CAPTIONER_MIRROR` where it is left out. */
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
