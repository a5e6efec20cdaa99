import { buildApp, type App, type AppOptions } from './app.js';
import { ServiceError } from './errors.js';

/** A service that listens. */
export interface RunningService extends App {
  /** Where it listens: `http://127.0.0.1:8080`. */
  readonly address: string;
  /** Loads the checkpoint anew; what became of it is logged. */
  reload(): Promise<void>;
  /** Accepts no more, finishes what was accepted, at most for `shutdownTimeout` seconds, and ends. */
  stop(): Promise<void>;
}

/**
 * Starts the service. It listens at once; until the checkpoint is loaded, and where it can't be, it answers 503 and says why.
 * @throws what listening can: the port is taken, say.
 */
export async function startService(options: AppOptions): Promise<RunningService> {
  const { config } = options;
  const app = await buildApp(options);
  const { server, pool } = app;
  try {
    const address = await server.listen({ host: config.host, port: config.port });
    return {
      ...app,
      address,
      reload: async () => {
        try {
          server.log.info({ model: await pool.reload() }, 'checkpoint reloaded');
        } catch (error) {
          server.log.error((error as ServiceError).message);
        }
      },
      stop: async () => {
        const deadline = setTimeout(() => {
          server.log.error(`not all was finished within ${config.shutdownTimeout} seconds`);
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
