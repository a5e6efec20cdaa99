/** What went wrong, for programs; the message is for people. */
export type ErrorCode =
  | 'bad-option' // a hyperparameter or flag has a wrong name, type or range
  | 'bad-input' // a file or value given by the user can't be used
  | 'bad-image' // a photo can't be decoded
  | 'not-found' // a file, folder or package is missing
  | 'corrupt' // a file of ours is damaged, cut short or of another version
  | 'mismatch' // two things that must fit (checkpoint, features, vocabulary) don't
  | 'download' // a download failed
  | 'numeric' // NaN or infinity where a number is needed
  | 'impure-step' // a compiled step depends on something that is not its input
  | 'unsupported' // an operator, data type or backend that is not available
  | 'interrupted'; // the user asked to stop

/** The one error class of the project: a code, and a sentence that says what happened and what to do. */
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

/** What the operating system says of a file, in words; the codes are those of POSIX. */
const reasons: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'the file has reached the largest size that is allowed',
  EROFS: 'the disk is read-only',
  EACCES: 'the rights to do so are missing',
  EPERM: 'the rights to do so are missing',
  ENOTDIR: 'a part of its path is a file, not a folder',
  EISDIR: 'it is a folder',
  ENAMETOOLONG: 'its name is too long',
  EMFILE: 'too many files are open',
  EIO: 'the disk fails',
};

/**
 * An error of the file system in words: what could not be written, why, and what to do. Any other error comes back as it is.
 * @param place what was to be written; the path that the system names, where it is left out.
 */
export function explainFileError(error: unknown, place?: string): unknown {
  const { code: systemCode, syscall, path, message } = error as NodeJS.ErrnoException;
  // Node names what is missing, not what keeps it from being made, where it makes several folders at once.
  const code = systemCode === 'ENOENT' && syscall === 'mkdir' ? 'EROFS' : systemCode;
  if (error instanceof CaptionerError || code === undefined || !Object.hasOwn(reasons, code)) return error;
  const remedy = ['ENOSPC', 'EDQUOT', 'EFBIG'].includes(code)
    ? 'What was written before is kept: make room and run the same command again.'
    : 'Choose another place, or change that.';
  const what = place ?? path;
  const sentence =
    what === undefined
      ? `A file can't be written: ${reasons[code]} (${message})`
      : `${what} can't be written: ${reasons[code]}`;
  return new CaptionerError('bad-input', `${sentence}. ${remedy}`, { cause: error });
}
