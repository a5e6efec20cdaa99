import { CaptionerError, type ErrorCode } from '../lib/index.js';
import type { PlainError } from './answers.js';

/** Details of a {@link ServiceError}. */
export interface ServiceErrorOptions extends ErrorOptions {
  /** Seconds after which it is worth trying again. */
  readonly retryAfter?: number;
  /** Headers of the answer. */
  readonly headers?: Readonly<Record<string, string>>;
}

/** An answer that is an error: a status and a code for programs, a sentence for people. */
export class ServiceError extends Error {
  override readonly name: string = 'ServiceError';
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    { retryAfter, headers, ...options }: ServiceErrorOptions = {},
  ) {
    super(message, options);
    this.retryAfter = retryAfter;
    this.headers = { ...(retryAfter !== undefined && { 'retry-after': String(retryAfter) }), ...headers };
  }

  readonly retryAfter?: number;
}

/** Errors of the library that a client can do something about; all others are the service's own. */
const statusOf: Partial<Record<ErrorCode, number>> = {
  'bad-option': 400,
  'bad-input': 400,
  'bad-image': 422,
  timeout: 504,
};

/** The status of an error's code; 500 if the client did not cause it. */
export function statusOfCode(code: string): number {
  return statusOf[code as ErrorCode] ?? 500;
}

/** The public part of an error: of an unexpected one only that it happened. */
export function plainError(error: unknown): PlainError {
  if (error instanceof ServiceError || error instanceof CaptionerError) {
    return { code: error.code, message: error.message };
  }
  return { code: 'internal', message: 'The service failed unexpectedly. Its log has the details.' };
}

/** An error that came from another process. */
export function serviceError({ code, message }: PlainError): ServiceError {
  return new ServiceError(statusOfCode(code), code, message);
}

/** Reasons why a checkpoint can't be loaded, without the paths that the log has. */
const loadProblems: Partial<Record<ErrorCode, string>> = {
  'not-found': 'A file of the checkpoint or its encoder is missing',
  corrupt: 'A file of the checkpoint is damaged',
  mismatch: 'The parts of the checkpoint do not belong together',
  download: 'The encoder could not be downloaded',
  numeric: 'The weights of the checkpoint are damaged',
};

/** The public reason why a checkpoint can't be loaded. */
export function loadProblem(code: string): string {
  return `${loadProblems[code as ErrorCode] ?? 'The captioner could not be started'}. The log of the service has the details.`;
}
