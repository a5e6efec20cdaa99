import { spawn, spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * `npm run lab`: JupyterLab with the project's kernel. It is taken from the PATH, or installed into `.venv` in the project, whatever is there. All that
 * follows `--` goes to JupyterLab: `npm run lab -- --no-browser --port 9000`.
 */

/** The versions that the notebooks are tested with: JupyterLab, and the widgets that sliders are made of. */
const requirements = ['jupyterlab==4.6.*', 'jupyterlab_widgets==3.*'];

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const binaries = path.join(root, '.venv', process.platform === 'win32' ? 'Scripts' : 'bin');

function main(): number | undefined {
  const command = findLab() ?? installLab();
  if (!command) return 1;
  const search = [path.join(root, 'jupyter'), process.env.JUPYTER_PATH].filter(Boolean).join(path.delimiter);
  // README opens as a page, and JupyterLab does not fetch news.
  const settings = [path.join(root, 'jupyter', 'config'), process.env.JUPYTER_CONFIG_PATH]
    .filter(Boolean)
    .join(path.delimiter);
  const options = process.argv.slice(2);
  const lab = spawn(
    command,
    [`--ServerApp.root_dir=${root}`, '--LabApp.default_url=/lab/tree/notebooks/README.md', ...options],
    {
      stdio: 'inherit',
      env: { ...process.env, JUPYTER_PATH: search, JUPYTER_CONFIG_PATH: settings },
    },
  );
  // The terminal sends Ctrl-C to both; JupyterLab asks whether to stop, and says when it did.
  process.on('SIGINT', () => undefined);
  process.on('SIGTERM', () => lab.kill('SIGTERM'));
  lab.on('exit', (code) => process.exit(code ?? 1));
  return undefined;
}

function findLab(): string | undefined {
  const own = path.join(binaries, 'jupyter-lab');
  if (existsSync(own) || existsSync(`${own}.exe`)) return own;
  const found = spawnSync('jupyter-lab', ['--version'], { encoding: 'utf8' });
  return found.status === 0 && Number(found.stdout.split('.')[0]) >= 4 ? 'jupyter-lab' : undefined;
}

/**
 * Makes a virtual environment in the project and installs JupyterLab there, with pip as configured on this
 * machine.
 */
function installLab(): string | undefined {
  const python = ['python3', 'python'].find((name) => spawnSync(name, ['-c', 'import venv, ensurepip']).status === 0);
  if (!python) {
    console.error(
      'JupyterLab was not found, and neither was a Python that could install it. Install Python 3 with its venv module (Debian and Ubuntu: ' +
        'apt install python3-venv), then run this command again, or install JupyterLab 4 in another way.',
    );
    return undefined;
  }
  console.log(`JupyterLab was not found: installing ${requirements.join(' and ')} into ${path.join(root, '.venv')} …`);
  const steps = [
    [python, '-m', 'venv', path.join(root, '.venv')],
    [path.join(binaries, 'python'), '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...requirements],
  ];
  for (const [command, ...parameters] of steps) {
    if (spawnSync(command, parameters, { stdio: 'inherit' }).status !== 0) {
      console.error(
        `JupyterLab can't be installed: ${[command, ...parameters].join(' ')} failed with the message above.`,
      );
      return undefined;
    }
  }
  // JupyterLab runs its own scripts with Node, which would otherwise treat them as ES modules, like those of
  // the project.
  writeFileSync(path.join(root, '.venv', 'package.json'), '{ "type": "commonjs" }\n');
  return path.join(binaries, 'jupyter-lab');
}

process.exitCode = main();
