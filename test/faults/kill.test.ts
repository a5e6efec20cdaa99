import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { FeatureWriter } from '../../lib/data/features/writer.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Random } from '../../lib/random.js';
import { zipOf } from '../files/zip-files.js';
import { saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

/** Runs a script, and kills it with signal 9 when `until` says so. */
async function run(
  args: string[],
  until?: (output: string) => boolean,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const child = spawn(process.execPath, ['--import', 'tsx', ...args], { env: { ...process.env, DEBUG: '' } });
  const output = { stdout: '', stderr: '' };
  const look = () => void (until?.(output.stdout) && child.kill('SIGKILL'));
  child.stdout.on('data', (text) => {
    output.stdout += String(text);
    look();
  });
  child.stderr.on('data', (text) => (output.stderr += String(text)));
  const watch = until && setInterval(look, 2);
  const [code] = (await once(child, 'close')) as [number | null];
  clearInterval(watch);
  return { code, ...output };
}

describe('kill -9', function () {
  this.timeout(300_000).slow(60_000);
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const at = (...names: string[]) => path.join(folder, ...names);

  it('in unpacking leaves nothing half, and the next run makes it whole', async () => {
    fs.mkdirSync(at('mirror'));
    const files = (name: string) =>
      Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`${name}/${i}.txt`, `${name} ${i} `.repeat(50)]));
    for (const name of ['a', 'b']) fs.writeFileSync(at('mirror', `${name}.zip`), await zipOf(files(name)));
    const script = fileURLToPath(new URL('download-tiny.ts', import.meta.url));
    // In the first archive, twice; in the second, when the first is in place, twice.
    const moments = [5, 150, 420, 100];
    const isWhole = (name: string) => fs.readdirSync(at('tiny', name)).length === 400;
    let kills = 0;
    for (let code: number | null = null; code !== 0;) {
      const after = moments[kills] ?? Infinity;
      const ended = await run([script, folder, at('mirror')], (dots) => dots.length >= after);
      ({ code } = ended);
      expect(ended.stderr).to.equal('');
      if (code === null) kills++;
      for (const name of ['a', 'b']) if (fs.existsSync(at('tiny', name))) expect(isWhole(name), name).to.be.true;
    }
    expect(kills).to.be.at.least(3);
    expect(fs.readdirSync(at('tiny')).sort()).to.deep.equal(['a', 'b']);
    expect(fs.readFileSync(at('tiny/b/7.txt'), 'utf8')).to.equal('b 7 '.repeat(50));
  });

  it('during an evaluation costs only time: the next run scores the same', async () => {
    await saveTinyCaptioner(at('captioner'));
    const { encoder } = loadCheckpoint(at('captioner')).config;
    const random = new Random(5);
    const ids = Array.from({ length: 60 }, (_, i) => `${i}.jpg`);
    const writer = FeatureWriter.open(at('features'), encoder, 'fp32');
    writer.append(
      ids,
      Float32Array.from({ length: ids.length * encoder.dimension }, () => Math.abs(random.normal())),
    );
    writer.close(true);
    fs.mkdirSync(at('photos'));
    const lines = ids.map((id) => {
      fs.writeFileSync(at('photos', id), '');
      return JSON.stringify({
        file: `photos/${id}`,
        captions: ['the red wall shines', 'a small leaf grows'],
        split: 'test',
      });
    });
    fs.writeFileSync(at('data.jsonl'), lines.join('\n').replaceAll('photos/', ''));
    for (const id of ids) fs.renameSync(at('photos', id), at(id));
    const evaluate = (out: string) =>
      [
        'cli/main.ts',
        'evaluate',
        '--checkpoint',
        'captioner',
        '--data',
        'data.jsonl',
        '--features',
        'features',
        '--out',
        out,
      ].map((word) => (['captioner', 'data.jsonl', 'features', 'whole', 'killed'].includes(word) ? at(word) : word));
    const whole = await run(evaluate('whole'));
    expect(whole.code, whole.stderr).to.equal(0);
    const ended = await run(evaluate('killed'), () => fs.existsSync(at('killed')));
    // Where it was quicker than the signal, there is nothing left to do.
    expect(ended.code).to.be.oneOf([null, 0]);
    const again = await run(evaluate('killed'));
    expect(again.code, again.stderr).to.equal(0);
    for (const name of ['predictions.json', 'photos.json']) {
      expect(fs.readFileSync(at('killed', name), 'utf8')).to.equal(fs.readFileSync(at('whole', name), 'utf8'));
    }
    expect(fs.readdirSync(at('killed')).sort()).to.deep.equal(fs.readdirSync(at('whole')).sort());
  });
});
