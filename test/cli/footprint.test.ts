import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

const run = promisify(execFile);

/** System calls that reach another machine, or that make, change or remove a file. */
const reachesOut = /socket\(AF_(INET|NETLINK)|connect\(.*AF_INET|send(to|msg)\(.*AF_INET/;
const changesFiles = /O_(CREAT|WRONLY|RDWR)|\b(mkdir|rename|unlink|rmdir|link|symlink|mknod|truncate)(at)?\d?\(/;

/** Traces of native code are searched for in the folders that it would use, and with strace everywhere else. */
describe('the footprint of a command', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  const main = path.resolve('dist/cli/main.js');
  const homes = ['home', 'cache', 'tmp'];

  /** This process' variables, less the one that it set for itself. */
  const environment = () => ({
    ...process.env,
    ORT_DISABLE_TELEMETRY: undefined,
    HOME: at('home'),
    XDG_CACHE_HOME: at('cache'),
    TMPDIR: at('tmp'),
  });
  const left = () => homes.flatMap((home) => fs.readdirSync(at(home)).map((name) => `${home}/${name}`));
  const node = (...args: string[]) => run(process.execPath, args, { cwd: folder, env: environment() });
  const script = (text: string) => {
    fs.writeFileSync(at('script.mjs'), text);
    return node(at('script.mjs'));
  };

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    fs.writeFileSync(at('red.jpg'), await colouredPhoto([200, 40, 40]));
  });
  beforeEach(() => {
    for (const home of homes) fs.mkdirSync(at(home));
  });
  afterEach(() => {
    for (const home of homes) fs.rmSync(at(home), { recursive: true });
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it('of captioner caption is its output', async () => {
    const { stdout } = await node(main, 'caption', 'red.jpg', '--checkpoint', 'tiny', '--quiet');
    expect(stdout).to.match(/^\w.*\n$/);
    expect(left()).to.deep.equal([]);
  });

  it('of the library is nothing, in a worker thread, too', async () => {
    const use = `import { Captioner } from ${JSON.stringify(path.resolve('dist/lib/index.js'))};
      const captioner = await Captioner.load('tiny');
      console.log((await captioner.caption(['red.jpg'])).length);`;
    expect((await script(use)).stdout).to.equal('1\n');
    expect(left()).to.deep.equal([]);
    fs.writeFileSync(at('use.mjs'), use);
    const worker = `import { Worker } from 'node:worker_threads'; new Worker('./use.mjs');`;
    expect((await script(worker)).stdout).to.equal('1\n');
    expect(left()).to.deep.equal([]);
  });

  it('of training is nothing but its run, whether ONNX Runtime is loaded for eager operations or for compiled steps', async () => {
    const load = (file: string, name: string) => {
      const module = JSON.stringify(path.resolve('dist/lib/onnx', file));
      return script(`import { ${name} } from ${module}; console.log(typeof ${name}());`);
    };
    expect((await load('runtime.js', 'onnxRuntime')).stdout).to.equal('object\n');
    expect(left()).to.deep.equal([]);
    expect((await load('c-api.js', 'ortApi')).stdout).to.match(/^(object|undefined)\n$/);
    expect(left()).to.deep.equal([]);
  });

  it('of the service and its workers is nothing', async () => {
    const args = [main, 'serve', '--checkpoint', 'tiny', '--port', '0', '--workers', '1'];
    const child = spawn(process.execPath, args, { cwd: folder, env: environment() });
    try {
      const [line] = (await once(createInterface({ input: child.stderr }), 'line')) as [string];
      const url = /http:\S+/.exec(line)![0];
      while (!(await fetch(`${url}/readyz`)).ok) await new Promise((resolve) => setTimeout(resolve, 20));
      const answer = await fetch(`${url}/caption`, { method: 'POST', body: fs.readFileSync(at('red.jpg')) });
      expect(answer.status).to.equal(200);
      child.kill('SIGTERM');
      await once(child, 'exit');
    } finally {
      child.kill('SIGKILL');
    }
    expect(left()).to.deep.equal([]);
  });

  it('has no socket and no file elsewhere', async function () {
    if (spawnSync('strace', ['-V']).error) {
      console.log('      skipped: needs strace (apt-get install strace)');
      return this.skip();
    }
    const trace = at('trace.txt');
    const command = [process.execPath, main, 'caption', 'red.jpg', '--checkpoint', 'tiny', '--quiet'];
    await run('strace', ['-f', '-qq', '-e', 'trace=network,file', '-o', trace, ...command], {
      cwd: folder,
      env: environment(),
    });
    const calls = fs.readFileSync(trace, 'utf8').split('\n');
    expect(calls.length).to.be.greaterThan(100);
    expect(calls.filter((call) => reachesOut.test(call))).to.deep.equal([]);
    const changed = calls.filter((call) => changesFiles.test(call) && !/= -1 |"\/(dev|proc)\//.test(call));
    expect(changed).to.deep.equal([]);
  });

  it('does not grow with the command line: 3,000 photos are captioned', async () => {
    fs.mkdirSync(at('holiday'));
    const names = Array.from({ length: 3000 }, (_, i) => `holiday/a photo with a long name, number ${i}.jpg`);
    for (const name of names) fs.linkSync(at('red.jpg'), at(name));
    const command = [main, 'caption', ...names, '--checkpoint', 'tiny', '--quiet'];
    const { stdout } = await run(process.execPath, command, { cwd: folder, env: environment() });
    expect(stdout.split('\n').slice(0, -1)).to.have.length(3000);
  });
});
