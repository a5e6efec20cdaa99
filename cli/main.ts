#!/usr/bin/env node
import { createRequire } from 'node:module';
import { Command } from 'commander';
import { explainFileError } from '../lib/index.js';
import { plainErrors } from './options.js';

/** The commands in the order of the help. Each is loaded only when it is called or listed. */
const commands: Record<string, () => Promise<Command>> = {
  download: async () => (await import('./commands/download.js')).downloadCommand(),
  extract: async () => (await import('./commands/extract.js')).extractCommand(),
  merge: async () => (await import('./commands/merge.js')).mergeCommand(),
  pair: async () => (await import('./commands/pair.js')).pairCommand(),
  vocab: async () => (await import('./commands/vocab.js')).vocabCommand(),
  train: async () => (await import('./commands/train.js')).trainCommand(),
  sweep: async () => (await import('./commands/sweep.js')).sweepCommand(),
  distill: async () => (await import('./commands/distill.js')).distillCommand(),
  finetune: async () => (await import('./commands/finetune.js')).finetuneCommand(),
  reinforce: async () => (await import('./commands/reinforce.js')).reinforceCommand(),
  evaluate: async () => (await import('./commands/evaluate.js')).evaluateCommand(),
  calibrate: async () => (await import('./commands/calibrate.js')).calibrateCommand(),
  compare: async () => (await import('./commands/compare.js')).compareCommand(),
  judge: async () => (await import('./commands/judge.js')).judgeCommand(),
  score: async () => (await import('./commands/score.js')).scoreCommand(),
  export: async () => (await import('./commands/export.js')).exportCommand(),
  caption: async () => (await import('./commands/caption.js')).captionCommand(),
  serve: async () => (await import('./commands/serve.js')).serveCommand(),
  encoders: async () => (await import('./commands/encoders.js')).encodersCommand(),
  runs: async () => (await import('./commands/runs.js')).runsCommand(),
  info: async () => (await import('./commands/info.js')).infoCommand(),
};

// `captioner … | head` closes the pipe early, which is not an error.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit();
  const reason = (explainFileError(error, 'Standard output') as Error).message;
  process.stderr.write(`captioner: ${reason}\n`);
  process.exit(1);
});

const { version } = createRequire(import.meta.url)('captioner/package.json') as { version: string };

const program = plainErrors(new Command('captioner'))
  .description('Train an image captioner, and caption photos with it.')
  .version(version, '-V, --version', 'Print the version.')
  .helpOption('-h, --help', 'Print this help.')
  .helpCommand('help [command]', 'Print the help of a command.')
  .addHelpText(
    'after',
    `
Examples:
  $ captioner caption photo.jpg        caption a photo
  $ captioner help train               help on training a captioner

Set DEBUG=captioner to print the stack trace of an error.`,
  );

const [first, second] = process.argv.slice(2);
const called = first === 'help' ? second : first;
const wanted = called !== undefined && Object.hasOwn(commands, called) ? [commands[called]] : Object.values(commands);
for (const load of wanted) program.addCommand(await load());

await program.parseAsync();
