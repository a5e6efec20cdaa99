#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { commands } from './command-list.js';
import { plainErrors } from './plain-errors.js';

// `captioner … | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  void import('./output-error.js').then(({ endForOutputError }) => endForOutputError(error));
});

const { version } = createRequire(import.meta.url)('captioner/package.json') as { version: string };

const program = plainErrors(new Command('captioner'))
  .description('Train an image captioner, and caption photos with it.')
  .version(version, '-V, --version', 'Print the version.')
  .helpOption('-h, --help', 'Print this help.')
  .helpCommand('help [command]', 'Print the help of a command.')
  .configureHelp({ subcommandTerm: (command) => command.name() })
  .addHelpText(
    'after',
    `
Examples:
  $ captioner caption photo.jpg        caption a photo
  $ captioner help train               help on training a captioner

Set DEBUG=captioner to print the stack trace of an error.`,
  );

// The name may follow flags, as in `captioner -- caption photo.jpg`.
const [first, second] = process.argv.slice(2).filter((word) => !word.startsWith('-'));
const called = first === 'help' ? second : first;
for (const [name, { summary, load }] of Object.entries(commands)) {
  program.addCommand(name === called ? await load() : new Command(name).summary(summary));
}

await program.parseAsync();
