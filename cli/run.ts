import type { Command, OptionValues } from 'commander';
import { CaptionerError, explainFileError, silent, type ProgressReporter } from '../lib/index.js';
import { printable } from './printable.js';
import { TerminalProgress } from './progress.js';

/** Passed to a command's action by {@link runCommand}, before the action's own arguments. */
export interface Run {
  readonly options: OptionValues;
  readonly command: Command;
  /** Writes to stderr; silent with `--quiet`. */
  readonly progress: ProgressReporter;
  /**
   * Aborted by Ctrl-C or SIGTERM. A second one kills the process, as does the first if the command
   * never reads the signal. The reason is a CaptionerError `interrupted`.
   */
  readonly signal: AbortSignal;
  /** Prints a line on stderr, also with `--quiet`, without disturbing the progress bar. */
  warn(line: string): void;
}

/**
 * Wraps a command's action for commander:
 * `command.action(runCommand(async ({ options, progress, signal }, file: string) => …))`. An error
 * prints one line on stderr and exits with code 1 (130 if interrupted); DEBUG=captioner adds the
 * stack. If the action returns a number, it is the exit code.
 */
export function runCommand<A extends unknown[]>(
  action: (run: Run, ...args: A) => Promise<number | undefined> | Promise<void>,
): (...args: [...A, OptionValues, Command]) => Promise<void> {
  return async (...all) => {
    const [options, command] = all.slice(-2) as [OptionValues, Command];
    const terminal = new TerminalProgress(process.stderr);
    const interruption = new Interruption((line) => {
      terminal.warn(line);
    });
    const run: Run = {
      options,
      command,
      progress: options.quiet ? silent : terminal,
      get signal() {
        return interruption.signal;
      },
      warn: (line) => {
        terminal.warn(printable(line, { keepLines: true }));
      },
    };
    try {
      process.exitCode = (await action(run, ...(all.slice(0, -2) as A))) ?? 0;
    } catch (error) {
      terminal.stop();
      process.stderr.write(`${printable(describeError(error), { keepLines: true })}\n`);
      process.exitCode = error instanceof CaptionerError && error.code === 'interrupted' ? 130 : 1;
    } finally {
      interruption.stop();
    }
  };
}

/** `captioner: message`, with the stack on request or for an unexpected error. */
export function describeError(error: unknown, debug = process.env.DEBUG): string {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  const asked = debug?.split(/[\s,]+/).some((name) => name === 'captioner' || name === '*');
  if (asked) return `captioner: ${message}\n${stack ?? ''}`;
  const explained = explainFileError(error);
  if (explained instanceof CaptionerError) return `captioner: ${explained.message}`;
  return `captioner: ${message} (unexpected error; set DEBUG=captioner to print the stack trace)`;
}

class Interruption {
  private controller?: AbortController;

  constructor(private readonly warn: (line: string) => void) {}

  get signal(): AbortSignal {
    if (!this.controller) {
      this.controller = new AbortController();
      process.on('SIGINT', this.onSignal).on('SIGTERM', this.onSignal);
    }
    return this.controller.signal;
  }

  private readonly onSignal = () => {
    if (this.controller!.signal.aborted) process.exit(130);
    this.warn('captioner: stopping; press Ctrl-C again to stop at once');
    this.controller!.abort(new CaptionerError('interrupted', 'Stopped before the end.'));
  };

  stop(): void {
    process.off('SIGINT', this.onSignal).off('SIGTERM', this.onSignal);
  }
}
