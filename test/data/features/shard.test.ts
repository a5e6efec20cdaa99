import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { FeatureWriter } from '../../../lib/data/features/writer.js';
import { type EncoderIdentity } from '../../../lib/data/features/encoder-identity.js';
import { openFeatures, readSkipped } from '../../../lib/data/features/store.js';
import { mergeFeatures } from '../../../lib/data/features/merge.js';
import type { Precision } from '../../../lib/data/features/row-codec.js';
import { isInShard, lackingShards, parseShard, shardPath } from '../../../lib/data/features/shard.js';
import type { CaptionerError } from '../../../lib/errors.js';

const shards = (count: number) => Array.from({ length: count }, (_, i) => ({ index: i + 1, count }));

describe('shards', () => {
  const ids = Array.from({ length: 20_000 }, (_, i) => `val2014/COCO_val2014_${String(3 * i).padStart(12, '0')}.jpg`);

  for (const count of [1, 2, 3, 8, 10, 64]) {
    it(`of ${count} hold each photo once, in nearly equal parts`, () => {
      const parts = shards(count).map((shard) => ids.filter((id) => isInShard(id, shard)));
      expect(parts.flat().sort()).to.deep.equal([...ids].sort());
      const share = ids.length / count;
      // Five standard deviations of a fair die.
      for (const part of parts) expect(Math.abs(part.length - share)).to.be.at.most(5 * Math.sqrt(share) + 1);
    });
  }

  it('do not depend on the other photos', () => {
    expect(isInShard('a.jpg', { index: 3, count: 8 })).to.equal(isInShard('a.jpg', { index: 3, count: 8 }));
    expect(shards(8).findIndex((shard) => isInShard('train/ö 1.jpg', shard))).to.equal(3);
  });

  it('are written 2/8, counted from 1', () => {
    expect(parseShard(' 2/8 ')).to.deep.equal({ index: 2, count: 8 });
    for (const wrong of ['0/8', '9/8', '2', '2/', 'a/b', '-1/3', '1/0', '1.5/3', '']) {
      expect(() => parseShard(wrong), wrong)
        .to.throw('is not a shard')
        .with.property('code', 'bad-option');
    }
  });

  it('have separate outputs, and the missing ones are known', () => {
    const shard = { index: 2, count: 8 };
    expect(shardPath('features/coco/', shard)).to.equal('features/coco.2-of-8');
    expect(shardPath('out/captions.v1.jsonl', shard)).to.equal('out/captions.v1.2-of-8.jsonl');
    const three = ['f/x.1-of-3', 'f/x.3-of-3/', 'f/other'];
    expect(lackingShards(three)).to.deep.equal(['2-of-3']);
    expect(lackingShards([...three, 'f/x.2-of-3', 'y.1-of-2.jsonl'])).to.deep.equal(['2-of-2']);
  });
});

describe('mergeFeatures', () => {
  const encoder: EncoderIdentity = { name: 'tiny', sha256: 'ab'.repeat(32), dimension: 3 };
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const at = (name: string) => path.join(folder, name);
  const rowOf = (id: number) => [id, id / 2, -id];

  function store(
    name: string,
    ids: number[],
    { precision = 'fp32' as Precision, skip = [] as string[], sha256 = encoder.sha256 } = {},
  ): string {
    const writer = FeatureWriter.open(at(name), { ...encoder, sha256 }, precision);
    if (ids.length)
      writer.append(
        ids.map((id) => `${id}.jpg`),
        Float32Array.from(ids.flatMap(rowOf)),
      );
    for (const id of skip) writer.skip(id, 'broken');
    writer.close(true);
    return at(name);
  }
  const failure = (merging: Promise<unknown>): Promise<CaptionerError> =>
    merging.then(
      () => expect.fail('it was merged'),
      (error: unknown) => error as CaptionerError,
    );

  for (const precision of ['fp32', 'fp16'] as const) {
    it(`has the rows of all, bit by bit (${precision})`, async () => {
      const many = Array.from({ length: 600 }, (_, i) => i);
      const sources = [
        store('a', many, { precision }),
        store('b', [], { precision }),
        store('c', [700, 3, 701], { precision }),
      ];
      expect(await mergeFeatures({ sources, folder: at('all') })).to.deep.equal({
        stored: 602,
        added: 602,
        randomViews: { stored: 0, added: 0 },
        skipped: 0,
      });
      const all = openFeatures(at('all'));
      expect(all.ids).to.deep.equal([...many, 700, 701].map((id) => `${id}.jpg`));
      for (const id of [0, 3, 599, 700, 701])
        expect([...all.read(`${id}.jpg`)].map((x) => x + 0)).to.deep.equal(rowOf(id).map((x) => x + 0));
      all.close();
      const bytes = (name: string) => fs.readFileSync(path.join(at(name), 'features.bin'));
      expect(bytes('all').subarray(0, bytes('a').length).equals(bytes('a'))).to.be.true;
    });
  }

  it('adds new features, and lists photos that no shard could decode', async () => {
    const sources = [store('a', [1], { skip: ['2.jpg', '9.jpg'] }), store('b', [2])];
    expect(await mergeFeatures({ sources, folder: at('all') })).to.deep.include({ stored: 2, added: 2, skipped: 1 });
    expect(readSkipped(at('all'))).to.deep.equal([{ id: '9.jpg', reason: 'broken' }]);
    store('a', [9]);
    expect(await mergeFeatures({ sources, folder: at('all') })).to.deep.include({ stored: 3, added: 1, skipped: 0 });
    expect(readSkipped(at('all'))).to.deep.equal([]);
  });

  it('refuses incompatible features, naming both', async () => {
    const a = store('a', [1]);
    const b = store('b', [2], { sha256: 'cd'.repeat(32) });
    const error = await failure(mergeFeatures({ sources: [a, b], folder: at('all') }));
    expect(error.code).to.equal('mismatch');
    expect(error.message).to.contain(`${b} have encoder.sha256 cdcd`).and.contain(`those in ${a} abab`);
    expect(fs.existsSync(at('all'))).to.be.false;
    expect(await failure(mergeFeatures({ sources: [a, at('none')], folder: at('all') }))).to.include({
      code: 'not-found',
    });
    expect((await failure(mergeFeatures({ sources: [a], folder: a }))).message).to.contain('into itself');
    fs.appendFileSync(path.join(a, 'features.bin'), 'x');
    expect((await failure(mergeFeatures({ sources: [a], folder: at('all') }))).message).to.contain('unfinished');
  });

  it('stops on request, and resumes to the same result', async () => {
    const sources = [
      store(
        'a',
        Array.from({ length: 600 }, (_, i) => i),
      ),
      store('b', [700]),
    ];
    const controller = new AbortController();
    // As Ctrl-C does: between two pieces of work, not within one.
    const progress = {
      start: () => undefined,
      update: () => void setImmediate(() => controller.abort()),
      stop: () => undefined,
    };
    await failure(mergeFeatures({ sources, folder: at('all'), progress, signal: controller.signal }));
    expect(openFeatures(at('all')).ids.length).to.equal(256);
    expect(await mergeFeatures({ sources, folder: at('all') })).to.deep.include({ stored: 601, added: 345 });
  });
});
