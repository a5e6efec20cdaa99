import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { openFeatures } from '../../lib/data/features/store.js';
import { splitPhotos } from '../../lib/data/datasets/manifest.js';
import { openDataset } from '../../lib/data/datasets/datasets.js';
import { Random } from '../../lib/random.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { resnetLike } from '../model/encoder/networks.js';
import { captioner } from './captioner.js';

describe('captioner extract --random-views', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const names = Array.from({ length: 10 }, (_, i) => `${i}.png`);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.writeFileSync(at('tiny.onnx'), resnetLike());
    const random = new Random(4);
    for (const [seed, name] of names.entries()) {
      const colour = [random.integer(256), random.integer(256), random.integer(256)] as const;
      fs.writeFileSync(at(name), await colouredPhoto(colour, { seed, format: 'png' }));
    }
    fs.writeFileSync(at('broken.png'), 'no photo');
    const captions = names.map((name, i) => `${name},a ${i % 2 ? 'dog runs' : 'cat sleeps'}`);
    fs.writeFileSync(at('unsplit.csv'), ['file,caption', ...captions].join('\n'));
    const split = (i: number) => (i < 7 ? 'train' : i < 9 ? 'dev' : 'test');
    const lines = [...captions.map((line, i) => `${line},${split(i)}`), 'broken.png,a bird sings,train'];
    fs.writeFileSync(at('list.csv'), ['file,caption,split', ...lines].join('\n'));
  });
  after(() => {
    fs.rmSync(folder, { recursive: true });
  });

  const extract = (list: string, features: string, ...more: string[]) =>
    captioner('extract', '--data', at(list), '--encoder', at('tiny.onnx'), '--features', at(features), ...more);
  const stored = (name: string) => {
    const store = openFeatures(at(name));
    store.close();
    return store;
  };
  const random = (ids: readonly string[], count: number) =>
    ids.flatMap((id) => Array.from({ length: count }, (_, i) => `${id}#${i + 1}`));

  it('counts photos and views, lists a broken photo once, and trains, evaluates and captions', async () => {
    const first = await extract('list.csv', 'features', '--random-views', '2');
    expect(first.code).to.equal(2);
    expect(first.stdout).to.match(
      /^10 photos and 14 random views of the training photos have features in .*features: 24 new in .*\nSkipped: 1\.\n$/,
    );
    expect(first.stderr.match(/skipped broken\.png/g)).to.have.length(1);
    const more = await extract('list.csv', 'features', '--random-views', '3', '--json');
    expect(JSON.parse(more.stdout)).to.deep.include({ stored: 10, added: 0, randomViews: { stored: 21, added: 7 } });
    expect(stored('features').randomViews).to.have.members(random(names.slice(0, 7), 3));

    const info = JSON.parse((await captioner('info', at('features'), '--verify', '--json')).stdout) as object;
    expect(info).to.deep.include({ photos: 10, randomViews: 21, bytes: 31 * 6 * 4, verified: true });

    const data = ['--data', at('list.csv'), '--features', at('features')];
    const small = ['--epochs', '1', '--min-count', '1', '--hidden-size', '8', '--embedding-size', '8'];
    const trained = await captioner('train', ...data, '--out', at('run'), ...small);
    expect(trained.code, trained.stderr).to.equal(0);
    expect(JSON.parse((await captioner('info', at('run'), '--json')).stdout)).to.have.nested.property(
      'trainedOn.randomViews',
      21,
    );
    const evaluated = await captioner('evaluate', ...data, '--checkpoint', at('run'), '--split', 'dev');
    expect(evaluated.stdout).to.match(/^2 dev photos/);
    const captions = await captioner('caption', '--features', at('features'), '--checkpoint', at('run'), '--json');
    const captioned = JSON.parse(captions.stdout) as { file: string }[];
    expect(captioned.map(({ file }) => file)).to.deep.equal(names);
    const reinforced = await captioner('reinforce', ...data, '--checkpoint', at('run'), '--out', at('better'), '--epochs', '1'); // prettier-ignore
    expect(reinforced.code, reinforced.stderr).to.equal(0);
  });

  it('uses the train photos of the splits that train makes, also in shards and with other views', async () => {
    const manifest = splitPhotos(await openDataset(at('unsplit.csv')));
    const train = manifest.photos.filter(({ split }) => split === 'train').map(({ id }) => id);
    const more = ['--random-views', '1', '--views', 'mirror'];
    expect((await extract('unsplit.csv', 'mirror', ...more)).code).to.equal(0);
    expect(stored('mirror').randomViews).to.deep.equal(random(train, 1));
    const shards = [1, 2].map((index) => `mirror.${index}-of-2`);
    await Promise.all([1, 2].map((index) => extract('unsplit.csv', 'mirror', ...more, '--shard', `${index}/2`)));
    const merged = await captioner('merge', ...shards.map((name) => at(name)), '--features', at('merged'));
    expect(merged.stdout).to.match(
      /^10 photos and 8 random views of the training photos have features in .*: 18 new\.\n$/,
    );
    expect(stored('merged').randomViews).to.have.members(random(train, 1));
    expect(stored('merged').encoder.views).to.equal('mirror');
  });
});
