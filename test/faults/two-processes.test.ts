import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { openFeatures } from '../../lib/data/features/store.js';
import { HistogramEncoder } from '../../lib/data/features/histogram-encoder.js';

const lockTaker = fileURLToPath(new URL('lock-taker.ts', import.meta.url));
const extractSamples = fileURLToPath(new URL('extract-samples.ts', import.meta.url));

/** Runs a script of this folder in a process of its own. */
async function run(script: string, ...args: string[]): Promise<{ code: number | null; stdout: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', script, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let stdout = '';
  child.stdout.on('data', (text) => (stdout += String(text)));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, stdout };
}

describe('two processes', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const at = (name: string) => path.join(folder, name);

  it('never hold a lock at the same time, even when dead processes left locks behind', async () => {
    const takers = await Promise.all([1, 2, 3, 4].map(() => run(lockTaker, at('lock'), at('inside'), '400')));
    expect(takers.map(({ stdout }) => stdout)).to.deep.equal(['.', '.', '.', '.']);
    expect(fs.readdirSync(folder).filter((name) => name !== 'lock')).to.deep.equal([]);
  });

  it('do not both write to a feature store: one is refused, and the result is that of a single process', async () => {
    const samples = path.resolve('data/samples');
    const photos = fs.readdirSync(samples).filter((name) => name.endsWith('.jpg')).flatMap((name) =>
      [1, 2, 3].map((copy) => ({ id: `${copy}/${name}`, file: path.join(samples, name) })),
    ); // prettier-ignore
    const outcomes = await Promise.all([1, 2].map(() => run(extractSamples, at('both'), JSON.stringify(photos))));
    // A process that starts when the other has finished has nothing to do.
    for (const { code, stdout } of outcomes) {
      expect(code).to.equal(0);
      expect(stdout).to.match(/^(stored|Another process \(\d+ on .*\) is writing to .*both\. .*delete .*lock\.)$/);
    }
    expect(outcomes.map(({ stdout }) => stdout)).to.include('stored');
    await extractFeatures({ manifest: { photos }, encoder: new HistogramEncoder(), folder: at('one') });
    for (const file of ['features.bin', 'index.jsonl', 'meta.json']) {
      expect(fs.readFileSync(path.join(at('both'), file)).equals(fs.readFileSync(path.join(at('one'), file))), file).to
        .be.true;
    }
    expect(fs.readdirSync(at('both')).sort()).to.deep.equal(fs.readdirSync(at('one')).sort());
    openFeatures(at('both')).close();
  });
});
