import { readFile, stat } from 'node:fs/promises';
import { CaptionerError } from '../errors.js';

const maxFileBytes = 256 * 2 ** 20;

/** Reasons why a file cannot be read, by the error codes of POSIX and Node. */
const readingProblems: Readonly<Record<string, string>> = {
  ELOOP: 'its symbolic links form a loop',
  ENAMETOOLONG: 'its name is too long',
  ERR_INVALID_ARG_VALUE: 'its name contains an invalid character',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
};

/**
 * Reads the bytes of a photo.
 * @throws CaptionerError `not-found`: the file does not exist. `bad-image`: it is too large or cannot be read.
 */
export async function readPhotoFile(file: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(file);
    if (size > maxFileBytes) {
      throw new CaptionerError(
        'bad-image',
        `${file} is larger than ${maxFileBytes / 2 ** 20} MB: that is not a photo.`,
      );
    }
    return await readFile(file);
  } catch (error) {
    if (error instanceof CaptionerError) throw error;
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new CaptionerError('not-found', `There is no photo ${file}.`);
    if (code === 'EISDIR') throw new CaptionerError('bad-image', `${file} is a folder, not a photo.`);
    const reason = readingProblems[code ?? ''] ?? message;
    throw new CaptionerError('bad-image', `${file} can't be read: ${reason}.`, { cause: error });
  }
}
