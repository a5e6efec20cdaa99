import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import sharp from 'sharp';
import type { ExtractionConfig } from '../../../lib/config.js';
import { extractFeatures } from '../../../lib/data/features/extraction.js';
import type { PhotoFile } from '../../../lib/data/features/photo-file.js';
import { openFeatures, readSkipped } from '../../../lib/data/features/store.js';
import { mergeFeatures } from '../../../lib/data/features/merge.js';
import { isInShard } from '../../../lib/data/features/shard.js';
import { CaptionerError } from '../../../lib/errors.js';
import { Random } from '../../../lib/random.js';
import { MeanColour } from '../../fixtures/mean-colour.js';

describe('random views of train photos', () => {
  let scratch: string;
  let photos: PhotoFile[];
  const at = (...names: string[]) => path.join(scratch, ...names);

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const random = new Random(8);
    photos = Array.from({ length: 6 }, (_, i) => ({
      ...{ id: `${i}.png`, file: at(`${i}.png`) },
      split: i < 4 ? 'train' : i === 4 ? 'dev' : 'test',
    }));
    for (const { file } of photos) {
      const pixels = Uint8Array.from({ length: 3 * 20 * 20 }, () => random.integer(256));
      await sharp(pixels, { raw: { width: 20, height: 20, channels: 3 } }).toFile(file);
    }
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const extract = async (folder: string, randomViews: number, more: Partial<ExtractionConfig> = {}, some = photos) => {
    const encoder = new MeanColour();
    const config = { batchSize: 3, randomViews, ...more };
    const report = await extractFeatures({ manifest: { photos: some }, encoder, folder: at(folder), config });
    return { ...report, seen: encoder.seen };
  };
  const rowsOf = (folder: string) => {
    const store = openFeatures(at(folder));
    const { ids, randomViews } = store;
    const rows = new Map([...ids, ...randomViews].map((id) => [id, [...store.read(id)]]));
    store.close();
    return { ids, randomViews, rows };
  };
  const bytes = (folder: string) =>
    ['features.bin', 'index.jsonl'].map((name) => fs.readFileSync(at(folder, name), 'latin1'));

  it('have features next to those of the photos, which do not change', async () => {
    await extract('plain', 0);
    const report = await extract('views', 2);
    expect(report).to.deep.include({
      stored: 6,
      added: 6,
      randomViews: { stored: 8, added: 8 },
      skipped: [],
      seen: 14,
    });
    const { ids, randomViews, rows } = rowsOf('views');
    expect(ids).to.deep.equal(photos.map(({ id }) => id));
    expect(randomViews).to.deep.equal([1, 2].flatMap((n) => [0, 1, 2, 3].map((i) => `${i}.png#${n}`)));
    expect(new Set([...rows.values()].map(String)).size, 'vectors').to.equal(14);
    for (const [id, row] of rowsOf('plain').rows) expect(rows.get(id)).to.deep.equal(row);
  });

  it('are the same in every run, and a greater number only adds views', async () => {
    await extract('at-once', 3);
    await extract('grown', 0);
    expect(await extract('grown', 1)).to.deep.include({ added: 0, randomViews: { stored: 4, added: 4 }, seen: 4 });
    expect(await extract('grown', 3)).to.deep.include({ added: 0, randomViews: { stored: 12, added: 8 }, seen: 8 });
    expect(bytes('grown')).to.deep.equal(bytes('at-once'));
    expect(await extract('grown', 2)).to.deep.include({ stored: 6, randomViews: { stored: 8, added: 0 }, seen: 0 });
    expect(bytes('grown')).to.deep.equal(bytes('at-once'));
  });

  it('stop and resume to the same result', async () => {
    await extract('whole', 3);
    const controller = new AbortController();
    const encoder = new MeanColour();
    encoder.onBatch = () => {
      if (encoder.seen > 8) controller.abort();
    };
    const config = { batchSize: 3, randomViews: 3 };
    const error: unknown = await extractFeatures({
      ...{ manifest: { photos }, encoder, folder: at('stopped'), config, signal: controller.signal },
    }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'interrupted');
    expect((error as Error).message).to.match(/^Stopped after \d+ of 18 photos and views\./);
    await extract('stopped', 3);
    expect(bytes('stopped')).to.deep.equal(bytes('whole'));
  });

  it('are left out for photos that cannot be decoded, which are listed once', async () => {
    const cut = fs.readFileSync(photos[1].file).subarray(0, 900);
    fs.writeFileSync(at('cut.png'), cut);
    const some = photos.with(1, { ...photos[1], file: at('cut.png') });
    const report = await extract('skipped', 5, {}, some);
    expect(report).to.deep.include({ stored: 5, randomViews: { stored: 15, added: 15 } });
    expect(report.skipped.map(({ id }) => id)).to.deep.equal(['1.png']);
    expect(readSkipped(at('skipped')).map(({ id }) => id)).to.deep.equal(['1.png']);
    expect(await extract('skipped', 5)).to.deep.include({
      added: 1,
      randomViews: { stored: 20, added: 5 },
      skipped: [],
    });
    expect(readSkipped(at('skipped'))).to.deep.equal([]);
  });

  it('follow their photos into shards, and are merged again', async () => {
    await extract('all', 2);
    const shards = [1, 2].map((index) => photos.filter(({ id }) => isInShard(id, { index, count: 2 })));
    for (const [i, some] of shards.entries()) await extract(`shard-${i}`, 2, {}, some);
    const sources = [at('shard-0'), at('shard-1')];
    const report = await mergeFeatures({ sources, folder: at('merged') });
    expect(report).to.deep.equal({ stored: 6, added: 6, randomViews: { stored: 8, added: 8 }, skipped: 0 });
    const [merged, all] = [rowsOf('merged'), rowsOf('all')];
    expect(merged.randomViews).to.have.members(all.randomViews);
    for (const [id, row] of all.rows) expect(merged.rows.get(id)).to.deep.equal(row);
    const again = await mergeFeatures({ sources, folder: at('merged') });
    expect(again).to.deep.include({ added: 0, randomViews: { stored: 8, added: 0 } });
  });

  it('cannot be mistaken for photos: such an id is refused next to that of its photo', async () => {
    const strange = [...photos, { id: '2.png#1', file: photos[0].file }];
    const error: unknown = await extract('strange', 0, {}, strange).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-input');
    await extract('alone', 0, {}, [{ id: '2.png#1', file: photos[0].file }]);
    expect(rowsOf('alone').ids).to.deep.equal(['2.png#1']);
  });
});
