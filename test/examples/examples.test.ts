import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { loadCheckpoint } from '../../lib/index.js';

const run = promisify(execFile);

describe('examples', function () {
  this.timeout(300_000).slow(60_000);
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });
  const example = (name: string, ...args: string[]) =>
    run(process.execPath, ['--import', 'tsx', path.join('examples', name), ...args], { encoding: 'utf8' });

  it('train.ts learns from epoch to epoch, and writes a checkpoint', async () => {
    const out = path.join(folder, 'shapes');
    const { stdout } = await example('train.ts', out, '2');
    const [first, second] = [...stdout.matchAll(/^epoch \d {2}loss ([\d.]+) {2}dev CIDEr ([\d.]+)$/gm)].map(
      ([, loss, CIDEr]) => ({ loss: Number(loss), CIDEr: Number(CIDEr) }),
    );
    expect(second.loss).to.be.below(0.8 * first.loss);
    const { config } = loadCheckpoint(out);
    expect(config.trained.epochs).to.equal(2);
    expect(config.scores.CIDEr).to.be.closeTo(second.CIDEr, 0.001);
    expect(fs.readFileSync('examples/train.ts', 'utf8').split('\n').length).to.be.below(100);
  });

  it('caption.ts captions the photos that it is given', async () => {
    const { stdout } = await example('caption.ts', 'data/samples/cat.jpg');
    expect(stdout).to.match(/^data\/samples\/cat\.jpg: [a-z' ]+\n$/);
  });
});
