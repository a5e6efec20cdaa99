import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { saveCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Random } from '../../lib/random.js';
import { tinyCheckpoint } from '../fixtures/tiny-checkpoint.js';
import { resnetLike } from '../model/encoder/networks.js';

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `captioner …`, and ends it with a signal when `until` says so. */
function captioner(args: string[], signal?: NodeJS.Signals, until?: () => boolean): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], {
      env: { ...process.env, DEBUG: '' },
    });
    const output = { stdout: '', stderr: '' };
    child.stdout.on('data', (text) => (output.stdout += String(text)));
    child.stderr.on('data', (text) => (output.stderr += String(text)));
    const watch = setInterval(() => {
      if (!until?.()) return;
      clearInterval(watch);
      child.kill(signal);
    }, 1);
    child.on('error', reject).on('close', (code, killedBy) => {
      clearInterval(watch);
      resolve({ code, signal: killedBy, ...output });
    });
  });
}

describe('captioner extract', function () {
  this.timeout(240_000).slow(20_000);
  const count = 60;
  let folder: string;
  let arguments_: string[];
  const random = new Random(13);
  const at = (name: string) => path.join(folder, name);
  const extract = (features: string, ...more: string[]) => [...arguments_, '--features', at(features), ...more];
  const store = (name: string) =>
    ['meta.json', 'index.jsonl', 'features.bin'].map((file) => fs.readFileSync(path.join(at(name), file), 'latin1'));
  /** Whole rows of a store that is being written. */
  const rows = (name: string) => {
    const index = path.join(at(name), 'index.jsonl');
    return fs.existsSync(index) ? fs.readFileSync(index, 'utf8').split('\n').length - 1 : 0;
  };

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.mkdirSync(at('photos'));
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
    for (let i = 0; i < count; i++) {
      const pixels = Uint8Array.from({ length: 3 * 300 * 200 }, () => random.integer(256));
      const photo = sharp(pixels, { raw: { width: 300, height: 200, channels: 3 } });
      await photo.png().toFile(at(`photos/${i}.png`));
    }
    const names = Array.from({ length: count }, (_, i) => `photos/${i}.png`);
    fs.writeFileSync(at('list.csv'), ['file,caption', ...names.map((name) => `${name},noise`)].join('\n'));
    arguments_ = ['extract', '--data', at('list.csv'), '--encoder', at('tiny.onnx'), '--batch-size', '3', '--quiet'];
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it('writes the same bytes after any number of kills as without one', async () => {
    const whole = await captioner(extract('whole'));
    expect(whole).to.include({ code: 0, stderr: '' });
    expect(rows('whole')).to.equal(count);
    let killed = 0;
    for (let least = 1; least < count - 10; least = rows('killed') + 1 + random.integer(12)) {
      const ended = await captioner(extract('killed'), 'SIGKILL', () => rows('killed') >= least);
      if (ended.signal === 'SIGKILL' && rows('killed') < count) killed++;
    }
    const last = await captioner(extract('killed'));
    expect(last.code).to.equal(0);
    expect(last.stdout).to.contain(`${count} photos have features in ${at('killed')}`);
    expect(killed, 'kills that came in time').to.be.at.least(1);
    expect(store('killed')).to.deep.equal(store('whole'));
    expect(fs.readdirSync(at('killed')).sort()).to.deep.equal(fs.readdirSync(at('whole')).sort());
  });

  it('saves on Ctrl-C, reports it, and continues the next time', async () => {
    const ended = await captioner(extract('stopped'), 'SIGINT', () => rows('stopped') >= 6);
    expect(ended.code).to.equal(130);
    expect(ended.stderr)
      .to.match(/Stopped after \d+ of 60 photos/)
      .and.contain('run the same command again to continue');
    expect(rows('stopped')).to.be.within(6, count - 1);
    expect((await captioner(extract('stopped'))).code).to.equal(0);
    expect(store('stopped')).to.deep.equal(store('whole'));
  });

  it('skips broken photos, lists them, and reports them in its exit code', async () => {
    fs.copyFileSync(at('photos/0.png'), at('good.png'));
    fs.writeFileSync(at('cut.png'), fs.readFileSync(at('photos/1.png')).subarray(0, 5000));
    fs.writeFileSync(at('some.csv'), 'file,caption\ngood.png,fine\ncut.png,cut short\nmissing.png,not there\n');
    const arguments_ = ['extract', '--data', at('some.csv'), '--encoder', at('tiny.onnx'), '--features', at('some')];
    const { code, stdout, stderr } = await captioner([...arguments_, '--quiet', '--json']);
    expect(code).to.equal(2);
    const report = JSON.parse(stdout) as Record<string, unknown>;
    expect(report).to.deep.include({ stored: 1, added: 1, precision: 'fp32' });
    expect(report.skipped).to.have.length(1).and.have.nested.property('[0].id', 'cut.png');
    expect(report.problems).to.have.length(1).and.have.nested.property('[0].line', 4);
    expect(stderr).to.contain('some.csv:4: there is no photo').and.contain('skipped cut.png');
    fs.rmSync(at('good.png'));
    fs.writeFileSync(at('good.png'), 'not a photo any more');
    const all = [...arguments_.slice(0, -1), at('none'), '--quiet'];
    expect((await captioner(all)).code).to.equal(1);
  });

  it('refuses features of another precision and unknown options, in one line', async () => {
    const other = await captioner(extract('whole', '--storage', 'fp16'));
    expect(other.code).to.equal(1);
    expect(other.stderr).to.match(/^captioner: The features in .* have precision fp32, not fp16\..*\n$/);
    const misspelt = await captioner(extract('whole', '--storage', 'fp23'));
    expect(misspelt.code).to.equal(1);
    expect(misspelt.stderr).to.contain('fp32, fp16');
  });
});

describe('captioner extract --views', function () {
  this.timeout(120_000).slow(20_000);
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
    fs.writeFileSync(at('list.csv'), 'file,caption,split\na.png,a dog runs,train\nb.png,a cat sleeps,train\n');
    const random = new Random(5);
    for (const name of ['a.png', 'b.png']) {
      const pixels = Uint8Array.from({ length: 3 * 20 * 20 }, () => random.integer(256));
      await sharp(pixels, { raw: { width: 20, height: 20, channels: 3 } }).toFile(at(name));
    }
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const extract = (features: string, ...more: string[]) =>
    captioner(['extract', '--data', at('list.csv'), '--encoder', at('tiny.onnx'), '--features', at(features), '-q', ...more]); // prettier-ignore
  const train = (features: string, ...more: string[]) =>
    captioner([
      ...['train', '--data', at('list.csv'), '--features', at(features), '--out', at('run'), '-q', '--min-count', '1'],
      ...['--hidden-size', '8', '--embedding-size', '8', ...more],
    ]);

  it('makes features that record their views; a captioner trained on other views refuses them', async () => {
    const help = (await captioner(['extract', '--help'])).stdout;
    expect(help).to.match(/--views <views>[^]*one,\s+mirror\s+or\s+crops;\s+default\s+one/);
    const { code, stdout, stderr } = await extract('mirror', '--views', 'mirror', '--json');
    expect(code, stderr).to.equal(0);
    expect((JSON.parse(stdout) as { encoder: object }).encoder).to.include({ name: 'tiny', views: 'mirror' });
    expect((await captioner(['info', at('mirror')])).stdout).to.match(/views +mirror/);
    expect((await extract('one')).code).to.equal(0);
    expect((await captioner(['info', at('one')])).stdout).not.to.contain('views');
    const again = await extract('mirror', '--views', 'crops');
    expect(again.code).to.equal(1);
    expect(again.stderr).to.match(/^captioner: The features in .* have encoder\.views mirror, not crops\..*\n$/);
    expect((await extract('none', '--views', 'mirrored')).stderr).to.contain('one, mirror, crops');

    const trained = await train('mirror', '--epochs', '1');
    expect(trained.code, trained.stderr).to.equal(0);
    const resumed = await train('one', '--epochs', '2', '--resume');
    expect(resumed.code).to.equal(1);
    expect(resumed.stderr).to.contain("have the views 'one', but the checkpoint was trained with 'mirror'");
    const data = ['--data', at('list.csv'), '--split', 'train', '--checkpoint', at('run'), '-q'];
    const evaluated = await captioner(['evaluate', ...data, '--features', at('one')]);
    expect(evaluated.code).to.equal(1);
    expect(evaluated.stderr).to.contain("have the views 'one', but the checkpoint was trained with 'mirror'");
    const fits = await captioner(['evaluate', ...data, '--features', at('mirror')]);
    expect(fits.code, fits.stderr).to.equal(0);
  });
});

describe('captioner info and captioner encoders', function () {
  this.timeout(60_000).slow(5000);
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.writeFileSync(
      at('list.csv'),
      'file,caption,split\na.png,A dog runs.,train\na.png,Dogs,train\nb.png,cats,test\nbroken\n',
    );
    for (const name of ['a.png', 'b.png']) {
      await sharp({ create: { width: 8, height: 8, channels: 3, background: 'red' } })
        .png()
        .toFile(at(name));
    }
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
  });
  after(() => fs.rmSync(folder, { recursive: true }));
  const json = async (...args: string[]) => {
    const { stdout, stderr } = await captioner([...args, '--json']);
    expect(stderr).to.equal('');
    return JSON.parse(stdout) as unknown;
  };

  it('counts a data set', async () => {
    const info = (await json('info', at('list.csv'))) as Record<string, unknown>;
    expect(info).to.deep.include({
      kind: 'dataset',
      name: 'list',
      photos: 2,
      captions: 3,
      splits: { train: { photos: 1, captions: 2 }, test: { photos: 1, captions: 1 } },
      captionsPerPhoto: { least: 1, most: 2 },
      words: { least: 1, mean: 5 / 3, median: 1, most: 3 },
    });
    expect(info.problems).to.have.nested.property('[0].line', 5);
    const { stdout } = await captioner(['info', at('list.csv')]);
    expect(stdout)
      .to.match(/train +1 +2\n/)
      .and.contain('list.csv:5: 1 fields');
  });

  it('describes features and detects changed rows', async () => {
    const encoder = ['--encoder', at('tiny.onnx'), '--storage', 'fp16'];
    await captioner(['extract', '--data', at('list.csv'), '--features', at('features'), ...encoder]);
    expect(await json('info', at('features'), '--verify', '--quiet')).to.deep.include({
      kind: 'features',
      precision: 'fp16',
      dimension: 6,
      photos: 2,
      bytes: 24,
      verified: true,
    });
    const bytes = fs.readFileSync(at('features/features.bin'));
    bytes[20] ^= 0x40;
    fs.writeFileSync(at('features/features.bin'), bytes);
    const { code, stderr } = await captioner(['info', at('features'), '--verify', '--quiet']);
    expect(code).to.equal(1);
    expect(stderr).to.contain('Row 1 (b.png)');
  });

  it('describes a checkpoint', async () => {
    saveCheckpoint(at('checkpoint'), tinyCheckpoint());
    const { stdout } = await captioner(['info', at('checkpoint')]);
    expect(stdout)
      .to.match(/^kind +checkpoint\n/)
      .and.match(/encoder\n +name +tiny\n/);
    expect(await json('info', at('checkpoint'))).to.deep.include({
      kind: 'checkpoint',
      encoder: { name: 'tiny', sha256: 'f'.repeat(64), dimension: 6 },
      words: { known: 7, minCount: 1, maxSize: 20000 },
    });
    expect((await captioner(['info', at('checkpoint'), '--verify'])).stderr).to.contain('--verify applies only to');
    expect((await captioner(['info', at('nowhere')])).stderr).to.match(/^captioner: There is no data set .*nowhere/);
  });

  it('lists the encoders, and the source of each', async () => {
    fs.mkdirSync(at('models'));
    const before = { ...process.env };
    try {
      process.env.CAPTIONER_MIRROR = folder;
      process.env.CAPTIONER_CACHE = at('cache');
      const list = (await json('encoders')) as Record<string, unknown>[];
      expect(list.map(({ name }) => name).join()).to.equal(
        'resnet18,resnet34,resnet50,resnet101,resnet152,mobilenetv2',
      );
      expect(list[0]).to.include({ dimension: 512, licence: 'Apache-2.0', cached: false, from: 'download' });
      // Of the right size: `encoders` lists, using one verifies it.
      fs.mkdirSync(at('cache/models'), { recursive: true });
      fs.writeFileSync(at('cache/models/resnet18-v1-7.onnx'), '');
      fs.truncateSync(at('cache/models/resnet18-v1-7.onnx'), 46820737);
      const [resnet18] = (await json('encoders')) as Record<string, unknown>[];
      expect(resnet18).to.include({ cached: true, from: 'cache', location: at('cache/models/resnet18-v1-7.onnx') });
    } finally {
      process.env = before;
    }
  });
});
