import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

/** The packages that a process can't find. */
const without = (...packages: string[]) => `const Module = require('node:module');
const resolve = Module._resolveFilename;
Module._resolveFilename = function (name, ...rest) {
  if (${JSON.stringify(packages)}.includes(name.split('/')[0])) {
    throw Object.assign(new Error("Cannot find module '" + name + "'\\nRequire stack:"), { code: 'MODULE_NOT_FOUND' });
  }
  return resolve.call(this, name, ...rest);
};`;

describe('a machine without onnxruntime-node', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    fs.writeFileSync(at('red.jpg'), await colouredPhoto([200, 40, 40]));
    fs.writeFileSync(at('native.cjs'), without('onnxruntime-node'));
    fs.writeFileSync(at('both.cjs'), without('onnxruntime-node', 'onnxruntime-web'));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const caption = async (hidden: string | undefined, ...options: string[]) => {
    const args = [...(hidden ? ['--require', at(hidden)] : []), '--import', 'tsx', 'cli/main.ts', 'caption'];
    return await promisify(execFile)(
      process.execPath,
      [...args, at('red.jpg'), '--checkpoint', at('tiny'), '--quiet', ...options],
      { env: { ...process.env, DEBUG: '' } },
    );
  };

  for (const precision of ['fp32', 'int8']) {
    it(`captions the same in WebAssembly, in ${precision}, and says how to be faster`, async () => {
      const [fast, slow] = await Promise.all(
        [undefined, 'native.cjs'].map((hidden) => caption(hidden, '--precision', precision)),
      );
      expect(slow.stdout).to.equal(fast.stdout).and.match(/\w/);
      expect(fast.stderr).to.equal('');
      expect(slow.stderr).to.match(/^captioner: onnxruntime-node is not installed, .* npm install [^\n]+\n$/);
    });
  }

  it('says what to install if WebAssembly is missing, too', async () => {
    const failed = await caption('both.cjs').catch((error: unknown) => error as { code: number; stderr: string });
    expect(failed).to.include({ code: 1 });
    expect(failed.stderr).to.match(/^captioner: ONNX Runtime can't be loaded: .*npm install [^\n]+\n$/);
  });
});
