import { existsSync } from 'node:fs';
import { mkdir, rename, rm, statfs } from 'node:fs/promises';
import path from 'node:path';
import { CaptionerError, explainFileError } from '../../errors.js';
import { acquireLock } from '../../files/lock.js';
import { fetchFile, mirrorFolder, type FetchOptions } from '../../files/mirror.js';
import type { PublishedArchive, PublishedDataset } from './published-datasets.js';
import { unzip } from '../../files/unzip.js';

/** Options of {@link downloadDataset}. */
export interface DatasetDownloadOptions extends Omit<FetchOptions, 'cacheFolder'> {
  /** Folder of all data sets. Default: `data`. */
  readonly folder?: string;
  /** Keep the archives after unpacking them. */
  readonly keepArchives?: boolean;
  /** Returns the free bytes at the destination; for tests. */
  readonly freeSpace?: (folder: string) => Promise<number>;
}

/** The result of a download. */
export interface DatasetDownload {
  /** Folder of the data set. */
  readonly folder: string;
  /** The archives that were fetched and unpacked. The content of the others was already present. */
  readonly unpacked: readonly string[];
}

/** Folder for archives and for unpacking, inside that of the data set. */
const workFolder = '.download';

/** The parts of a data set that are missing in `folder`. */
export function missingArchives(dataset: PublishedDataset, folder = 'data'): PublishedArchive[] {
  const home = path.join(folder, dataset.folder);
  return dataset.archives.filter(
    ({ makes, isThere }) => !isThere?.(home) && !makes.every((name) => existsSync(path.join(home, name))),
  );
}

/**
 * The folder of an unpacked data set in a mirror that is a folder, for instance `data/flickr8k`. It
 * is used in place.
 */
export function mirroredDataset(dataset: PublishedDataset, mirror?: string): string | undefined {
  const home = mirrorFolder(mirror);
  const folder = home && path.join(home, 'data', dataset.folder);
  return folder !== undefined && existsSync(folder) ? folder : undefined;
}

/**
 * Downloads a data set into a folder. Each archive is taken from the mirror, or downloaded and
 * verified as `fetchFile` does, unpacked into a separate folder, and its content moved into
 * place as a whole. Existing parts are not fetched again, so the same call completes a run that was
 * stopped.
 *
 * @throws CaptionerError `download`: a part is not available, or the disk is (or would be) full.
 *   `corrupt`: an archive is damaged. `interrupted`. `bad-input`: another process is downloading
 *   it.
 */
export async function downloadDataset(
  dataset: PublishedDataset,
  options: DatasetDownloadOptions = {},
): Promise<DatasetDownload> {
  const folder = path.resolve(options.folder ?? 'data', dataset.folder);
  const missing = missingArchives(dataset, options.folder);
  if (!missing.length) return { folder, unpacked: [] };
  const work = path.join(folder, workFolder);
  const unlock = await lockFolder(work, folder);
  try {
    for (const archive of missing) {
      await refuseFullDisk(archive, folder, options.freeSpace ?? freeSpace);
      const file = await fetchFile([archive], { ...options, cacheFolder: work });
      const ours = file.startsWith(work + path.sep);
      try {
        await unpack(archive, file, folder, options);
      } catch (error) {
        const damaged = error instanceof CaptionerError && error.code === 'corrupt';
        if (!damaged || !ours) throw error;
        await rm(file, { force: true });
        throw new CaptionerError(
          'corrupt',
          `${error.message} It was deleted; run the same command again to fetch it.`,
          {
            cause: error,
          },
        );
      }
      if (ours && !options.keepArchives) await rm(file, { force: true });
    }
  } finally {
    unlock();
  }
  if (!options.keepArchives) await rm(work, { recursive: true, force: true });
  return { folder, unpacked: missing.map((archive) => path.posix.basename(archive.path)) };
}

async function lockFolder(work: string, folder: string): Promise<() => void> {
  try {
    await mkdir(work, { recursive: true });
    return acquireLock(path.join(work, 'lock'), `downloading to ${folder}`);
  } catch (error) {
    throw explainFileError(error, work);
  }
}

async function unpack(
  { makes }: PublishedArchive,
  file: string,
  folder: string,
  { progress, signal }: DatasetDownloadOptions,
): Promise<void> {
  const unpacking = path.join(folder, workFolder, 'unpacking');
  // A killed process may have left this folder behind.
  await rm(unpacking, { recursive: true, force: true });
  try {
    const only = (name: string) => makes.some((made) => name === made || name.startsWith(`${made}/`));
    await unzip(file, unpacking, { only, progress, signal });
    const lacking = makes.find((name) => !existsSync(path.join(unpacking, name)));
    if (lacking) throw new CaptionerError('corrupt', `${file} does not hold ${lacking}.`);
    for (const name of makes) {
      const target = path.join(folder, name);
      await mkdir(path.dirname(target), { recursive: true });
      // An existing folder of that name is incomplete, so the archive replaces it.
      await rm(target, { recursive: true, force: true });
      await rename(path.join(unpacking, name), target);
    }
  } finally {
    await rm(unpacking, { recursive: true, force: true });
  }
}

/** Checks, before hours of downloading, that there is room for the archive and its content. */
async function refuseFullDisk(
  { path: name, bytes = 0, unpacked }: PublishedArchive,
  folder: string,
  free: (folder: string) => Promise<number>,
): Promise<void> {
  const needed = bytes + unpacked;
  const available = await free(folder);
  if (available >= needed) return;
  const gigabytes = (count: number) => `${(count / 1e9).toFixed(1)} GB`;
  throw new CaptionerError(
    'download',
    `${path.posix.basename(name)} needs ${gigabytes(needed)} in ${folder}, packed and unpacked, and there are ${gigabytes(available)}. ` +
      'Make room, or choose another folder.',
  );
}

async function freeSpace(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
