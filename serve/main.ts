import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { CaptionerError, defaultCheckpoint, findCheckpoint, loadCheckpoint } from '../lib/index.js';
import { isLocal } from './addresses.js';
import { buildApp, type App, type AppOptions } from './app.js';

/** A service that listens. */
export interface RunningService extends App {
  /** Address that it listens at: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Whether everyone in the network may caption: it listens to more than this machine, and needs no key. */
  readonly open: boolean;
  /** Reloads the checkpoint and logs the result. During a reload it reloads once more afterwards. */
  reload(): Promise<void>;
  /**
   * Stops: /readyz fails for `drain` seconds, then no more connections are accepted, accepted requests are finished, at most for
   * `shutdownTimeout` seconds, and the workers end.
   */
  stop(): Promise<void>;
}

/**
 * Starts the service. It listens at once, and answers 503 until the workers have loaded the checkpoint.
 * @throws CaptionerError for a checkpoint or an encoder that can't be used; errors of listening, such as a port that is taken.
 */
export async function startService(options: AppOptions): Promise<RunningService> {
  const { config, keys } = options;
  checkFiles(options);
  const app = await buildApp(options);
  const { server } = app;
  try {
    const address = await server.listen({ host: config.host, port: config.port });
    return {
      ...app,
      address,
      open: !isLocal(config.host) && !keys?.clients.length,
      reload: reloader(app),
      stop: async () => {
        app.drain();
        await sleep(config.drain * 1000);
        const deadline = setTimeout(() => {
          server.log.error(`some requests were not finished within ${config.shutdownTimeout} seconds`);
          process.exit(1);
        }, config.shutdownTimeout * 1000);
        await server.close();
        clearTimeout(deadline);
      },
    };
  } catch (error) {
    await server.close();
    throw error;
  }
}

/** Refuses a checkpoint that can't be loaded before the service listens. The encoder may still have to be downloaded. */
function checkFiles({ checkpoint = defaultCheckpoint(), encoder }: AppOptions): void {
  loadCheckpoint(findCheckpoint(checkpoint));
  if (encoder === undefined || existsSync(encoder)) return;
  throw new CaptionerError('not-found', `There is no file ${encoder}.`);
}

/** Reloads one after the other: a signal during a reload may be about files that were read already. */
function reloader({ server, pool }: App): () => Promise<void> {
  let running: Promise<void> | undefined;
  let again: Promise<void> | undefined;
  const reload = async () => {
    try {
      server.log.info({ model: await pool.reload() }, 'checkpoint reloaded');
    } catch (error) {
      server.log.error({ err: (error as Error).cause ?? error }, (error as Error).message);
    }
  };
  const start = () => {
    running = reload().finally(() => (running = undefined));
    return running;
  };
  return () => {
    if (!running) return start();
    again ??= running.then(() => {
      again = undefined;
      return start();
    });
    return again;
  };
}
