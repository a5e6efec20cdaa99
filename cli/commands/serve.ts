import type { Command } from 'commander';
import { keysFromEnvironment, retiredOptions, ServiceConfig } from '../../serve/config.js';
import { addConfigOptions, defineCommand } from '../options.js';
import { chosenCheckpoints } from '../model.js';
import { unreachable } from '../listening.js';
import { runCommand } from '../run.js';

/** `captioner serve`: a service that captions photos over HTTP, with a page. */
export function serveCommand(): Command {
  const command = defineCommand('serve', 'Serve captions over HTTP, with a demo page.', [
    ['captioner serve', 'at http://127.0.0.1:8080'],
    ['captioner serve --host 0.0.0.0 --port 80', 'for everyone on the network'],
    ['captioner serve --checkpoint runs/mine', 'with your own captioner'],
    ['curl -F photo=@dog.jpg http://127.0.0.1:8080/caption', 'caption a photo'],
  ])
    .option(
      '--checkpoint <folder>',
      'Checkpoint or training run. (default: the best shipped model whose encoder is on this machine)',
    )
    .option('--encoder <file>', 'ONNX file of the checkpoint’s encoder. (default: found or downloaded by its name)')
    .addHelpText(
      'after',
      `
Environment:
  CAPTIONER_API_KEYS   keys of clients, separated by commas; each request must have one (Authorization: Bearer <key>)
  CAPTIONER_ADMIN_KEY  key that allows POST /-/reload

SIGHUP reloads the checkpoint. SIGTERM and Ctrl-C finish accepted requests and exit.`,
    );
  const config = addConfigOptions(command, { serve: ServiceConfig }, { ignore: retiredOptions });
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
      if (service.open) warn('captioner: everyone on the network can use it; set CAPTIONER_API_KEYS to require a key');
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
