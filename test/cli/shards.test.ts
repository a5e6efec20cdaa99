import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import sharp from 'sharp';
import { openFeatures } from '../../lib/data/features/store.js';
import { resnetLike } from '../model/encoder/networks.js';
import { captioner } from './captioner.js';

describe('captioner extract --shard and captioner merge', function () {
  this.timeout(240_000).slow(30_000);
  const count = 24;
  let folder: string;
  const at = (name: string) => path.join(folder, name);
  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
    fs.mkdirSync(at('photos'));
    for (let i = 0; i < count; i++) {
      const background = { r: 10 * i, g: 255 - 10 * i, b: 99 };
      await sharp({ create: { width: 16, height: 16, channels: 3, background } })
        .png()
        .toFile(at(`photos/${i}.png`));
    }
    fs.writeFileSync(at('photos/broken.png'), 'no photo');
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const extract = (...more: string[]) =>
    captioner('extract', '--data', at('photos'), '--encoder', at('tiny.onnx'), '--features', at('features'), ...more);
  const rowsOf = (name: string) => {
    const store = openFeatures(at(name));
    const rows = Object.fromEntries([...store.ids].sort().map((id) => [id, [...store.read(id)]]));
    store.close();
    return rows;
  };

  it('process their parts at the same time, and together give the result of a single run', async () => {
    const whole = await extract();
    expect(whole.code).to.equal(2);
    const parts = await Promise.all([1, 2, 3].map((index) => extract('--shard', `${index}/3`)));
    // The broken photo is in one of them.
    expect(parts.map(({ code }) => code).sort()).to.deep.equal([0, 0, 2]);
    const names = [1, 2, 3].map((index) => `features.${index}-of-3`);
    expect(names.reduce((sum, name) => sum + Object.keys(rowsOf(name)).length, 0)).to.equal(count);

    const merge = (some: string[]) => captioner('merge', ...some.map(at), '--features', at('merged'));
    const without = await merge(names.slice(0, 2));
    expect(without.stderr).to.contain('shards 3-of-3 were not given');
    const merged = await merge(names);
    expect(merged).to.deep.include({ code: 0, stderr: '' });
    expect(merged.stdout).to.match(/^24 photos have features in .*merged: \d+ new\.\nSkipped: 1\.\n$/);
    expect(rowsOf('merged')).to.deep.equal(rowsOf('features'));
    const again = await captioner('merge', ...names.map(at), '--features', at('merged'), '--json');
    expect(JSON.parse(again.stdout)).to.deep.equal({
      features: at('merged'),
      stored: count,
      added: 0,
      randomViews: { stored: 0, added: 0 },
      skipped: 1,
      lacking: [],
    });
  });

  it('refuse a shard that does not exist', async () => {
    const { code, stderr } = await extract('--shard', '0/3');
    expect(code).to.equal(1);
    expect(stderr).to.equal(
      "captioner: '0/3' is not a shard. Write 2/8 for the second of eight; shards are counted from 1.\n",
    );
  });
});
