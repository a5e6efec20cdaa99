import { readdirSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { Command } from 'commander';
import { CaptionerError } from '../../lib/index.js';
import { unreachable } from '../listening.js';
import { defineCommand, wholeNumber } from '../options.js';
import { runCommand } from '../run.js';

/** `captioner runs`: a page that draws the runs under a folder while they train. */
export function runsCommand(): Command {
  return defineCommand(
    'runs',
    `Show the training runs under a folder on a local page.

It lists the runs, draws their curves in one chart while they train, and shows how the captions of some dev photos change from epoch to epoch and in which hyperparameters the runs differ. It only reads files, so runs can start, stop or crash meanwhile.`,
    [
      ['captioner runs sweeps/first', 'at http://127.0.0.1:8081'],
      ['captioner runs runs --photos data/flickr8k/Flicker8k_Dataset', 'with the dev photos'],
    ],
  )
    .argument('<folder>', 'Folder of runs, such as the --out of a sweep. Its subfolders are searched, too.')
    .option('--photos <folder>', 'Folder that the photo ids are relative to. Shows the dev photos.')
    .option(
      '--host <address>',
      'Address to listen on. Others on the network can read the runs unless it is local to this machine.',
      '127.0.0.1',
    )
    .option('--port <n>', 'Port to listen on; 0 chooses a free one.', wholeNumber, 8081)
    .action(
      runCommand(async ({ options, signal, warn }, folder: string) => {
        const { photos, host, port } = options as { photos?: string; host: string; port: number };
        for (const needed of [folder, ...(photos === undefined ? [] : [photos])]) requireFolder(needed);
        const { buildRunsServer } = await import('../../serve/runs/server.js');
        const server = await buildRunsServer({ folder, ...(photos !== undefined && { photos }) });
        await server.listen({ host, port }).catch((error: unknown) => {
          throw unreachable(error as NodeJS.ErrnoException, { host, port });
        });
        const { address, port: open, family } = server.server.address() as AddressInfo;
        warn(`captioner: listening at http://${family === 'IPv6' ? `[${address}]` : address}:${open}`);
        await new Promise((resolve) => {
          signal.addEventListener('abort', resolve, { once: true });
        });
        await server.close();
      }),
    );
}

function requireFolder(folder: string): void {
  try {
    readdirSync(folder);
  } catch (cause) {
    throw new CaptionerError('not-found', `The folder ${folder} can't be read. Give the folder of your runs.`, {
      cause,
    });
  }
}
