import { existsSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';
import { cacheFolder } from '../cache.js';
import { CaptionerError } from '../errors.js';
import { sha256OfFile } from './checksum.js';
import { download } from './download.js';
import type { DownloadOptions } from './transfer.js';

/** A published file, wherever it may be had. */
export interface PublishedFile {
  /** Its place below a mirror and below the cache folder, with forward slashes. A mirror may also have it by its base name. */
  readonly path: string;
  readonly bytes: number;
  readonly sha256: string;
  /** Its public origin. One without is taken only from a mirror. */
  readonly url?: string;
}

export interface FetchOptions extends DownloadOptions {
  /** The operating system's cache folder where it is left out. */
  readonly cacheFolder?: string;
  /** A folder or an http(s) URL that is asked first; `CAPTIONER_MIRROR` where it is left out. */
  readonly mirror?: string;
}

/** Where a file would come from. */
export interface FileSource {
  readonly from: 'mirror' | 'cache' | 'download';
  /** A path, or the URL that would be downloaded. */
  readonly location: string;
  readonly file: PublishedFile;
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
 * The path of one of several equally good files, verified by its SHA-256: in a mirror's folder, from the cache, or
 * downloaded into the cache from a mirror's URL or from its origin, in this order.
 *
 * @throws CaptionerError `corrupt`: a mirror has a file of that name that is another one. `download` when nothing else works.
 */
export async function fetchFile(files: readonly PublishedFile[], options: FetchOptions = {}): Promise<string> {
  for (const { from, location, file } of localFiles(files, options)) {
    if (!statSync(location, { throwIfNoEntry: false })?.isFile()) continue;
    const found = await sha256OfFile(location);
    if (found === file.sha256) return location;
    if (from === 'mirror') {
      throw new CaptionerError(
        'corrupt',
        `The mirror's ${location} is not the file it should be: its SHA-256 is ${found}, ${file.sha256} was expected.`,
      );
    }
    // A damaged copy of ours is fetched again.
    rmSync(location);
  }
  const sources = remoteFiles(files, options);
  const failures: unknown[] = [];
  for (const { location: url, file } of sources) {
    const target = path.join(options.cacheFolder ?? cacheFolder(), file.path);
    try {
      await download({ url, file: target, bytes: file.bytes, sha256: file.sha256 }, options);
      return target;
    } catch (error) {
      if (error instanceof CaptionerError && error.code === 'interrupted') throw error;
      failures.push(error);
    }
  }
  throw failures.at(-1) ?? new CaptionerError('not-found', `There is no place to get ${files[0].path} from.`);
}

function localFiles(files: readonly PublishedFile[], options: FetchOptions): FileSource[] {
  const mirror = mirrorOf(options);
  const cache = options.cacheFolder ?? cacheFolder();
  if (mirror !== undefined && !isUrl(mirror) && !existsSync(mirror)) {
    throw new CaptionerError('not-found', `CAPTIONER_MIRROR names ${mirror}, which is no folder and no http(s) URL.`);
  }
  return [
    ...(mirror === undefined || isUrl(mirror)
      ? []
      : places(files).map(({ place, file }): FileSource => ({ from: 'mirror', location: path.join(mirror, place), file }))),
    ...files.map((file): FileSource => ({ from: 'cache', location: path.join(cache, file.path), file })),
  ];
}

function remoteFiles(files: readonly PublishedFile[], options: FetchOptions): FileSource[] {
  const mirror = mirrorOf(options);
  return [
    ...(mirror === undefined || !isUrl(mirror)
      ? []
      : places(files).map(
          ({ place, file }): FileSource => ({ from: 'mirror', location: `${mirror.replace(/\/+$/, '')}/${place}`, file }),
        )),
    ...files.flatMap((file): FileSource[] =>
      file.url === undefined ? [] : [{ from: 'download', location: file.url, file }],
    ),
  ];
}

/** A mirror has a file at its path or, if it is a plain folder of files, by its name. */
function places(files: readonly PublishedFile[]): { place: string; file: PublishedFile }[] {
  return files.flatMap((file) => [
    { place: file.path, file },
    ...(file.path.includes('/') ? [{ place: path.posix.basename(file.path), file }] : []),
  ]);
}

function mirrorOf({ mirror = process.env.CAPTIONER_MIRROR }: FetchOptions): string | undefined {
  return mirror === '' ? undefined : mirror;
}

function isUrl(mirror: string): boolean {
  return /^https?:\/\//i.test(mirror);
}
