import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import type { FeatureStore } from '../../../lib/data/features/store.js';
import { viewId } from '../../../lib/data/features/random-views.js';
import { CaptionerError } from '../../../lib/errors.js';
import { Random } from '../../../lib/random.js';
import { loadCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { bucketLengths, planEpoch } from '../../../lib/train/batches/batches.js';
import { trainCaptioner, type CaptionerTrainingOptions } from '../../../lib/train/decoder/captioner-training.js';
import { RandomViews } from '../../../lib/train/batches/random-views.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

describe('RandomViews', () => {
  const photos = Array.from({ length: 400 }, (_, i) => ({ id: `${i}`, captions: [[7], [8]] }));
  const randomViews = [3, 1, 2].flatMap((number) => photos.slice(100).map(({ id }) => viewId(id, number)));
  const buckets = bucketLengths([2]);
  const config = { batchSize: 8, captions: 'all', maxLength: 9, seed: 3 } as const;
  const plan = (epoch: number) => planEpoch(photos, buckets, epoch, config);
  const rows = (plans: ReturnType<typeof plan>) => plans.flatMap(({ examples }) => examples.map(({ photo }) => photo));
  const drawn = (epoch: number, augment = 0.75, stored = randomViews) =>
    rows(new RandomViews({ randomViews: stored }, photos, augment).drawAll(plan(epoch), epoch, config));

  it('replaces the given share of captions, each view equally often', () => {
    const before = rows(plan(0));
    const after = drawn(0);
    expect(after.map((id) => id.split('#')[0])).to.deep.equal(before);
    const numbers = after.filter((id) => Number(id.split('#')[0]) >= 100).map((id) => id.split('#')[1] ?? '0');
    for (const number of ['0', '1', '2', '3']) {
      const share = numbers.filter((each) => each === number).length / numbers.length;
      expect(share, `view ${number}`).to.be.closeTo(0.25, 0.06);
    }
    expect(after.some((id) => id.includes('#') && Number(id.split('#')[0]) < 100)).to.equal(false);
    expect(new Set(after).size).to.be.above(600);
  });

  it('depends on the seed and the epoch alone, not on the order of the rows', () => {
    expect(drawn(1)).to.deep.equal(drawn(1));
    expect(drawn(1)).not.to.deep.equal(drawn(2));
    expect(drawn(1, 0.75, [...randomViews].reverse())).to.deep.equal(drawn(1));
  });

  it('uses the photos themselves without views, or with a share of 0', () => {
    expect(drawn(1, 0)).to.deep.equal(rows(plan(1)));
    expect(drawn(1, 1, [])).to.deep.equal(rows(plan(1)));
    expect(drawn(1, 1).every((id) => id.includes('#') || Number(id) < 100)).to.equal(true);
    expect(new RandomViews({ randomViews }, photos.slice(0, 101), 0.5).count).to.equal(3);
    expect(new RandomViews({ randomViews }, photos, 0).count).to.equal(0);
  });
});

describe('trainCaptioner on features with random views', () => {
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);
  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  /** Two scenes with views of every photo, which are the photo and some noise: nobody is to read those of the dev photos. */
  function withViews(
    count: number,
    reads = new Set<string>(),
  ): Pick<CaptionerTrainingOptions, 'manifest' | 'features'> {
    const { manifest, features } = twoScenes();
    const photoOf = (id: string) => id.split('#')[0];
    const augmented: FeatureStore = {
      ...features,
      randomViews: features.ids.flatMap((id) => Array.from({ length: count }, (_, i) => viewId(id, i + 1))),
      read: (id, into = new Float32Array(6), offset = 0) => {
        reads.add(id);
        features.read(photoOf(id), into, offset);
        if (id === photoOf(id)) return into;
        const random = new Random(Number(id.split('#')[1]), Number.parseInt(id));
        for (let i = 1; i < 6; i++) into[offset + i] += 0.3 * random.normal();
        return into;
      },
    };
    return { manifest, features: augmented };
  }
  const train = (out: string, change: Partial<CaptionerTrainingOptions> = {}) =>
    trainCaptioner({ ...withViews(3), out: at(out), decoder: smallDecoder, training: smallTraining, ...change });
  const weights = (out: string) => fs.readFileSync(at(out, 'last', 'decoder.safetensors'));

  it('learns from views of the train photos, is evaluated on whole photos, and records its views', async () => {
    const reads = new Set<string>();
    const { config } = await train('run', withViews(3, reads));
    const seen = [...reads].filter((id) => id.includes('#')).map((id) => Number.parseInt(id));
    expect(new Set(seen)).to.deep.equal(new Set(Array.from({ length: 20 }, (_, i) => i)));
    expect(config.dataset).to.include({ photos: 20, devPhotos: 6, randomViews: 60 });
    expect(config.training.randomViewShare).to.equal(0.8);
    await train('plain', twoScenes());
    expect(weights('plain').equals(weights('run'))).to.equal(false);
    const mean = (out: string) => loadCheckpoint(at(out, 'last')).weights.get('features/mean');
    expect(mean('run'), 'statistics of the whole photos').to.deep.equal(mean('plain'));
    expect(fs.readFileSync(at('run', 'last', 'README.md'), 'utf8')).to.include(
      '20 photos, 60 random views of them and',
    );
  });

  it('learns the same with a share of 0 as without views', async () => {
    const { config } = await train('none', { training: { ...smallTraining, randomViewShare: 0 } });
    expect(config.dataset).not.to.have.property('randomViews');
    await train('plain', twoScenes());
    expect(weights('none').equals(weights('plain'))).to.equal(true);
  });

  it('ends in the same weights for the same seed, even after a stop', async () => {
    await train('whole');
    await train('again');
    expect(weights('again').equals(weights('whole'))).to.equal(true);
    for (const stopAt of [3, 12]) {
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }) => {
        if (step === stopAt) controller.abort();
      };
      const error: unknown = await train('stopped', {
        ...{ signal: controller.signal, onStep, resume: stopAt > 3 },
      }).catch((e: unknown) => e);
      expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'interrupted');
    }
    const other: unknown = await train('stopped', { ...withViews(4), resume: true }).catch((e: unknown) => e);
    expect((other as Error).message).to.match(/has data set randomViews 60, not 80/);
    await train('stopped', { resume: true });
    expect(weights('stopped').equals(weights('whole'))).to.equal(true);
  });
});
