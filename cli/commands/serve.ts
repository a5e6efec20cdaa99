import type { Command } from 'commander';
import { CaptionerError } from '../../lib/index.js';
import { keysFromEnvironment, ServiceConfig } from '../../serve/config.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { chosenCheckpoints } from '../model.js';
import { runCommand } from '../run.js';

/** `captioner serve`: a service that captions photos over HTTP, with a page. */
export function serveCommand(): Command {
  const command = defineCommand('serve', 'Caption photos over HTTP, with a page to try it.', [
    ['captioner serve', 'at http://127.0.0.1:8080'],
    ['captioner serve --host 0.0.0.0 --port 80', 'for everyone in the network'],
    ['captioner serve --checkpoint runs/mine', 'a captioner of your own'],
    ['curl -F photo=@dog.jpg http://127.0.0.1:8080/caption', 'a photo to it'],
  ])
    .option(
      '--checkpoint <folder>',
      'Trained captioner or training run. (default: the best shipped model whose encoder is on this machine)',
    )
    .option('--encoder <file>', 'ONNX file of the checkpoint’s encoder. (default: found or downloaded by its name)')
    .addHelpText(
      'after',
      `
Environment:
  CAPTIONER_API_KEYS   keys, separated by commas, one of which each client must show (Authorization: Bearer <key>)
  CAPTIONER_ADMIN_KEY  key that allows POST /-/reload

SIGHUP reloads the checkpoint. SIGTERM and Ctrl-C finish accepted requests and exit.`,
    );
  const config = addConfigOptions(command, { serve: ServiceConfig });
  return command.action(
    runCommand(async ({ options, signal, warn }) => {
      const { startService } = await import('../../serve/main.js');
      const { checkpoint: given, encoder } = options as { checkpoint?: string; encoder?: string };
      const [checkpoint] = chosenCheckpoints(given === undefined ? undefined : [given], { options, warn });
      const settings = config.read().serve;
      const service = await startService({ config: settings, keys: keysFromEnvironment(), checkpoint, encoder }).catch(
        (error: unknown) => {
          throw unreachable(error as NodeJS.ErrnoException, settings);
        },
      );
      warn(`captioner: listening at ${service.address}`);
      const reload = () => void service.reload();
      process.on('SIGHUP', reload);
      await new Promise((resolve) => {
        signal.addEventListener('abort', resolve, { once: true });
      });
      await service.stop();
      process.off('SIGHUP', reload);
    }),
  );
}

function unreachable(error: NodeJS.ErrnoException, { host, port }: ServiceConfig): Error {
  if (error.code === 'EADDRINUSE') {
    return new CaptionerError('bad-option', `Port ${port} of ${host} is taken: choose another one with --port.`, {
      cause: error,
    });
  }
  if (error.code === 'EACCES' || error.code === 'EADDRNOTAVAIL') {
    return new CaptionerError('bad-option', `The service can't listen at ${host}:${port} (${error.message}).`, {
      cause: error,
    });
  }
  return error;
}
