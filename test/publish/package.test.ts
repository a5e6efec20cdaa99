import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';

const run = promisify(execFile);
const shell = process.platform === 'win32'; // there npm is a script

/** The package as users get it: packed, and installed from the npm registry into an empty folder with an empty cache. */
describe('the published package', function () {
  this.timeout(900_000).slow(120_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const installed = (name: string) => at('node_modules', ...name.split('/'));
  const inFolder = (command: string, ...args: string[]) =>
    run(command, args, { cwd: folder, shell, env: { ...process.env, npm_config_cache: at('cache'), DEBUG: '' } });

  before(async function () {
    const look = ['view', 'onnxruntime-common', 'version', '--fetch-retries=0', '--prefer-online'];
    if (!(await run('npm', look, { shell }).catch(() => undefined))) {
      console.log('    skipped: the published package (the npm registry cannot be reached)');
      return this.skip();
    }
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await run(process.execPath, ['scripts/browser.mjs']);
    const packed = await run('npm', ['pack', '--ignore-scripts', '--pack-destination', folder, '--json'], { shell });
    const [{ filename }] = JSON.parse(packed.stdout) as [{ filename: string }];
    fs.writeFileSync(at('package.json'), '{ "name": "user", "private": true }');
    fs.copyFileSync('data/samples/cat.jpg', at('photo.jpg'));
    await inFolder('npm', 'install', `./${filename}`, '--engine-strict', '--no-audit', '--no-fund');
  });
  after(() => folder && fs.rmSync(folder, { recursive: true }));

  it('holds everything for captioning and training, in less than 250 MB plus the native runtime', () => {
    const size = (entry: string): number => {
      const status = fs.lstatSync(entry);
      if (!status.isDirectory()) return status.size;
      return fs.readdirSync(entry).reduce((sum, name) => sum + size(path.join(entry, name)), 0);
    };
    const native = fs.existsSync(installed('onnxruntime-node')) ? size(installed('onnxruntime-node')) : 0;
    const megabytes = Math.round((size(at('node_modules')) - native) / 1e6);
    console.log(`      ${megabytes} MB, and ${Math.round(native / 1e6)} MB of onnxruntime-node`);
    expect(megabytes).to.be.lessThan(250);
    for (const name of ['danfojs-node', 'tslab', 'zeromq', '@tensorflow/tfjs', 'onnxruntime-web', 'typescript']) {
      expect(fs.existsSync(installed(name)), name).to.equal(false);
    }
  });

  it('captions a photo, with the native runtime or without it', async () => {
    const caption = () => inFolder('npx', 'captioner', 'caption', 'photo.jpg', '--quiet');
    const native = fs.existsSync(installed('onnxruntime-node'));
    const first = await caption();
    expect(first.stdout).to.match(/^\w.*\n$/);
    if (!native) {
      expect(first.stderr).to.contain('onnxruntime-node is not installed');
      return;
    }
    expect(first.stderr).not.to.contain('onnxruntime-node');
    fs.rmSync(installed('onnxruntime-node'), { recursive: true });
    const second = await caption();
    expect(second.stdout).to.equal(first.stdout);
    expect(second.stderr).to.contain('onnxruntime-node is not installed');
  });

  it('is imported from CommonJS and from modules', async () => {
    const used = `Promise.all([Captioner.load(), typeof train.trainCaptioner, typeof viz.plotlyScript])
      .then(([captioner, ...types]) => console.log(typeof captioner.caption, ...types));`;
    fs.writeFileSync(
      at('use.cjs'),
      `const { Captioner } = require('captioner'); const train = require('captioner/train'); const viz = require('captioner/viz');\n${used}`,
    );
    fs.writeFileSync(
      at('use.mjs'),
      `import { Captioner } from 'captioner'; import * as train from 'captioner/train'; import * as viz from 'captioner/viz';\n${used}`,
    );
    for (const file of ['use.cjs', 'use.mjs']) {
      expect((await inFolder(process.execPath, file)).stdout, file).to.equal('function function function\n');
    }
  });

  for (const [moduleResolution, module] of [
    ['node16', 'node16'],
    ['nodenext', 'nodenext'],
    ['bundler', 'esnext'],
  ]) {
    it(`has types that hold under strict rules, with moduleResolution ${moduleResolution}`, async () => {
      fs.writeFileSync(
        at('use.mts'),
        `import { Captioner } from 'captioner';
import { trainCaptioner } from 'captioner/train';
import { plotlyScript } from 'captioner/viz';
const captioner = await Captioner.load();
export const captions = await captioner.caption(['photo.jpg']);
export const other: string = plotlyScript();
// @ts-expect-error: types are no any
export const wrong: string = trainCaptioner;
`,
      );
      const options = {
        ...{ module, moduleResolution, target: 'es2022', lib: ['es2023', 'dom', 'dom.asynciterable'] },
        ...{
          strict: true,
          noEmit: true,
          skipLibCheck: false,
          types: ['node'],
          typeRoots: [path.resolve('node_modules/@types')],
        },
      };
      fs.writeFileSync(at('tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['use.mts'] }));
      const compiler = path.resolve('node_modules/typescript/bin/tsc');
      const { stdout } = await inFolder(process.execPath, compiler).catch(
        (error: unknown) => error as { stdout: string },
      );
      // Faults of other packages' types are theirs.
      const own = stdout.split('\n').filter((line) => /^(use\.mts|node_modules\/captioner\/|error)/.test(line));
      expect(own).to.deep.equal([]);
    });
  }
});
