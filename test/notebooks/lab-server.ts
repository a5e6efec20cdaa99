import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const root = path.resolve(import.meta.dirname, '../..');

/** The JupyterLab that tests use: `CAPTIONER_TEST_LAB` (a command), the project's own, or that of the PATH. */
export function findLab(): string | undefined {
  const own = path.join(root, '.venv/bin/jupyter-lab');
  const candidates = [process.env.CAPTIONER_TEST_LAB, existsSync(own) ? own : undefined, 'jupyter-lab'];
  return candidates.find((command) => command && spawnSync(command, ['--version']).status === 0);
}

/** JupyterLab as `npm run lab` starts it, on a port of its own, without a browser. */
export class LabServer {
  private constructor(
    readonly url: string,
    private readonly server: ChildProcess,
    private readonly home: string,
  ) {}

  static async start(command: string, port: number): Promise<LabServer> {
    // Settings and run-time files of the user who runs the tests are left alone.
    const home = mkdtempSync(path.join(tmpdir(), 'captioner-lab-'));
    const server = spawn(
      process.execPath,
      [
        path.join(root, 'dist/jupyter/lab.js'),
        '--no-browser',
        '--allow-root',
        `--port=${port}`,
        '--ServerApp.port_retries=0',
        '--IdentityProvider.token=',
        '--LabApp.expose_app_in_browser=True',
      ],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        env: {
          ...process.env,
          PATH: `${path.dirname(command)}${path.delimiter}${process.env.PATH ?? ''}`,
          HOME: home,
          JUPYTER_CONFIG_DIR: home,
          JUPYTER_DATA_DIR: path.join(home, 'data'),
          JUPYTER_RUNTIME_DIR: path.join(home, 'runtime'),
          CAPTIONER_PRESET: 'tiny',
        },
      },
    );
    let log = '';
    server.stderr!.on('data', (text: Buffer) => (log += text.toString()));
    const url = `http://127.0.0.1:${port}`;
    for (let tries = 0; tries < 240; tries++) {
      if (server.exitCode !== null) throw new Error(`JupyterLab ended:\n${log}`);
      const answer = await fetch(`${url}/api/kernelspecs`).catch(() => undefined);
      if (answer?.ok) return new LabServer(url, server, home);
      await sleep(250);
    }
    server.kill('SIGTERM');
    throw new Error(`JupyterLab does not answer:\n${log}`);
  }

  async kernelspecs(): Promise<string[]> {
    const { kernelspecs } = (await (await fetch(`${this.url}/api/kernelspecs`)).json()) as { kernelspecs: object };
    return Object.keys(kernelspecs);
  }

  async stop(): Promise<void> {
    const ended = new Promise((resolve) => this.server.once('exit', resolve));
    this.server.kill('SIGTERM');
    await ended;
    rmSync(this.home, { recursive: true, force: true });
  }
}
