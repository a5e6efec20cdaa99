import { CaptionerError, type ErrorCode } from '../lib/index.js';
import type { PlainError } from './answers.js';

/** An answer that is an error: a status and a code for programs, a sentence for people. */
export class ServiceError extends Error {
  override readonly name = 'ServiceError';

  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    /** Seconds after which it is worth trying again. */
    readonly retryAfter?: number,
  ) {
    super(message);
  }
}

/** What a client may do about an error of the library; all others are ours. */
const statusOf: Partial<Record<ErrorCode, number>> = { 'bad-option': 400, 'bad-input': 400, 'bad-image': 422 };

/** The status of an error's code, 500 where the client can't help it. */
export function statusOfCode(code: string): number {
  return statusOf[code as ErrorCode] ?? 500;
}

/** What may be said of an error outside: of an unexpected one nothing but that it was. */
export function plainError(error: unknown): PlainError {
  if (error instanceof ServiceError || error instanceof CaptionerError) {
    return { code: error.code, message: error.message };
  }
  return { code: 'internal', message: 'Something went wrong on our side. The log says what.' };
}

/** An error that came from another process. */
export function serviceError({ code, message }: PlainError): ServiceError {
  return new ServiceError(statusOfCode(code), code, message);
}
