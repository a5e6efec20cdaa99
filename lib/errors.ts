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
