/** Machine-readable cause of an error. The message is for people. */
export type ErrorCode =
  | 'bad-option' // an option has a wrong name, type or range
  | 'bad-input' // a file or value given by the user can't be used
  | 'bad-image' // a photo can't be decoded
  | 'not-found' // a file, folder or package is missing
  | 'corrupt' // a file written by captioner is damaged, truncated or of another version
  | 'mismatch' // two things that belong together (checkpoint, features, vocabulary) do not fit
  | 'download' // a download failed
  | 'numeric' // NaN or infinity where a number is required
  | 'impure-step' // a compiled step depends on a value that is not an input
  | 'unsupported' // an operator, data type or backend is not available
  | 'timeout' // it takes longer than allowed
  | 'interrupted'; // the user asked to stop

/** The project's only error class: a code, and a message that says what happened and what to do. */
export class CaptionerError extends Error {
  override readonly name = 'CaptionerError';

  constructor(
    readonly code: ErrorCode,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** Reasons for file system errors in words, by POSIX code. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is exceeded',
  EFBIG: 'the file has reached the maximum size',
  EROFS: 'the disk is read-only',
  EACCES: 'permission is denied',
  EPERM: 'permission is denied',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENAMETOOLONG: 'its name is too long',
  ELOOP: 'its symbolic links form a loop',
  ERR_INVALID_ARG_VALUE: 'its name contains an invalid character',
  EMFILE: 'too many files are open',
  EIO: 'the disk reports an error',
};

/**
 * Turns a file system error into a {@link CaptionerError} that says what could not be written, why,
 * and what to do. Returns any other error unchanged.
 * @param place what was to be written. Default: the path in the system's error.
 */
export function explainFileError(error: unknown, place?: string): unknown {
  const { code: systemCode, syscall, path, message } = error as NodeJS.ErrnoException;
  // For a recursive mkdir, Node reports the missing folder, not the reason why it can't be created.
  const code = systemCode === 'ENOENT' && syscall === 'mkdir' ? 'EROFS' : systemCode;
  if (error instanceof CaptionerError || code === undefined || !Object.hasOwn(reasons, code)) return error;
  const remedy = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)
    ? 'Everything written so far is kept: free some space and run the same command again.'
    : 'Choose another place, or fix the cause.';
  const what = place ?? path;
  const sentence =
    what === undefined
      ? `A file can't be written: ${reasons[code]} (${message})`
      : `${what} can't be written: ${reasons[code]}`;
  return new CaptionerError('bad-input', `${sentence}. ${remedy}`, { cause: error });
}
