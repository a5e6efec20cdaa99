import { CaptionerError } from '../lib/index.js';

/** An error of listening, as a sentence with what to do. */
export function unreachable(error: NodeJS.ErrnoException, { host, port }: { host: string; port: number }): Error {
  const sentence = listeningErrors[error.code ?? '']?.(host, port);
  return sentence === undefined ? error : new CaptionerError('bad-option', sentence, { cause: error });
}

const listeningErrors: Partial<Record<string, (host: string, port: number) => string>> = {
  EADDRINUSE: (host, port) => `Port ${port} of ${host} is already in use. Choose another with --port.`,
  EACCES: (_host, port) => `Port ${port} needs privileges that this user lacks. Choose one above 1023 with --port.`,
  EADDRNOTAVAIL: (host) => `This machine does not have the address ${host}. Choose another with --host.`,
  ENOTFOUND: (host) => `There is no host ${host}. Choose an address of this machine with --host.`,
  EAI_AGAIN: (host) => `The name ${host} can't be resolved. Choose an address of this machine with --host.`,
};
