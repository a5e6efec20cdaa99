import type { Command } from 'commander';

/** Formats commander's own errors like ours: `captioner: …`. */
export function plainErrors(command: Command): Command {
  return command.configureOutput({ outputError: (text, write) => write(text.replace(/^error: /, 'captioner: ')) });
}
