import { expect } from 'chai';
import { Random } from '../../../lib/random.js';
import {
  batchesPerEpoch,
  bucketCount,
  bucketLengths,
  examplesOf,
  planBatches,
  planEpoch,
  readBatch,
  type EncodedPhoto,
} from '../../../lib/train/batches/batches.js';
import { randomFeatures } from '../../fixtures/random-features.js';

const [START, END] = [1, 2];
const config = { batchSize: 4, captions: 'all', maxLength: 9, seed: 3 } as const;

/** Captions of 1 to 12 words; each word names its caption, so that a batch shows where it comes from. */
function photos(n = 15): EncodedPhoto[] {
  const random = new Random(1);
  return Array.from({ length: n }, (_, i) => ({
    id: `photo${i}`,
    captions: [0, 1, 2].map((j) => Array<number>(1 + random.integer(12)).fill(100 + 3 * i + j)),
  }));
}
const buckets = bucketLengths(
  photos().flatMap((photo) => examplesOf(photo, config.maxLength).map(({ targets }) => targets.length)),
  3,
);
const captionsIn = (plans: ReturnType<typeof planEpoch>) =>
  plans.flatMap(({ examples }) => examples.map(({ targets }) => targets[0])).sort((a, b) => a - b);

describe('examples', () => {
  it('end with <end>, unless they are truncated', () => {
    const [short, exact, long] = examplesOf({ id: 'x', captions: [[7], [7, 8, 9], [7, 8, 9, 10]] }, 3);
    expect(short.targets).to.deep.equal([7, END]);
    expect(exact.targets).to.deep.equal([7, 8, 9, END]);
    expect(long.targets).to.deep.equal([7, 8, 9]);
  });
});

describe('bucketLengths', () => {
  const padded = (lengths: number[], chosen: number[]) =>
    lengths.reduce((sum, length) => sum + chosen.find((bucket) => length <= bucket)! - length, 0);

  it('needs the least padding of all choices', () => {
    const random = new Random(2);
    for (let trial = 0; trial < 20; trial++) {
      const lengths = Array.from({ length: 30 }, () => 1 + random.integer(9));
      const chosen = bucketLengths(lengths, 3);
      const distinct = [...new Set(lengths)].sort((a, b) => a - b);
      const longest = distinct.at(-1)!;
      const least = Math.min(
        ...distinct.flatMap((a) =>
          distinct.map((b) =>
            padded(
              lengths,
              [a, b, longest].sort((x, y) => x - y),
            ),
          ),
        ),
      );
      expect(chosen.length).to.equal(3);
      expect(chosen.at(-1)).to.equal(longest);
      expect(padded(lengths, chosen)).to.equal(least);
    }
  });

  it('needs no more buckets than there are lengths', () => {
    expect(bucketLengths([5, 5, 8], 6)).to.deep.equal([5, 8]);
    expect(bucketLengths([], 6)).to.deep.equal([]);
  });
});

describe('bucketCount', () => {
  it('leaves large data sets little padding, and small ones few graphs to compile', () => {
    expect([1, 30, 90, 469, 10000].map(bucketCount)).to.deep.equal([6, 6, 9, 12, 12]);
  });
});

describe('planEpoch', () => {
  it('holds every caption once, in full batches of one bucket, except the last', () => {
    const plans = planEpoch(photos(), buckets, 0, config);
    expect(captionsIn(plans)).to.deep.equal(Array.from({ length: 45 }, (_, i) => 100 + i));
    expect(plans.length).to.equal(12).and.to.equal(batchesPerEpoch(photos(), config));
    expect(plans.map(({ examples }) => examples.length).sort()).to.deep.equal([1, ...Array<number>(11).fill(4)]);
    for (const { length, examples } of plans) {
      const longest = Math.max(...examples.map(({ targets }) => targets.length));
      expect(buckets.find((bucket) => longest <= bucket)).to.equal(length);
    }
  });

  it('is the same for the same seed and epoch, and different for others', () => {
    const plan = (epoch: number, seed = 3) => JSON.stringify(planEpoch(photos(), buckets, epoch, { ...config, seed }));
    expect(plan(1)).to.equal(plan(1));
    expect(plan(1)).not.to.equal(plan(2));
    expect(plan(1)).not.to.equal(plan(1, 4));
  });

  it('takes the first caption of a photo, or a random one, if asked', () => {
    const one = planEpoch(photos(), buckets, 0, { ...config, captions: 'one' });
    expect(captionsIn(one)).to.deep.equal(Array.from({ length: 15 }, (_, i) => 100 + 3 * i));
    const chosen = new Set<number>();
    for (let epoch = 0; epoch < 20; epoch++) {
      const captions = captionsIn(planEpoch(photos(), buckets, epoch, { ...config, captions: 'random' }));
      expect(captions.map((word) => Math.floor((word - 100) / 3))).to.deep.equal(
        Array.from({ length: 15 }, (_, i) => i),
      );
      captions.forEach((word) => chosen.add(word));
    }
    expect(chosen.size).to.equal(45);
    expect(batchesPerEpoch(photos(), { ...config, captions: 'random' })).to.equal(4);
  });
});

describe('planBatches', () => {
  it('keeps the order if possible', () => {
    const examples = [1, 2, 3, 4, 5].map((i) => ({ photo: `${i}`, targets: [7, i] }));
    const plans = planBatches(examples, [2], 2);
    expect(plans.map((plan) => plan.examples.map(({ photo }) => photo))).to.deep.equal([['1', '2'], ['3', '4'], ['5']]);
  });
});

describe('readBatch', () => {
  it('lays words out time-major, shifted by one between input and target, and pads with nothing', () => {
    const features = randomFeatures(['a', 'b'], 2);
    const examples = [
      { photo: 'b', targets: [7, 8, END] },
      { photo: 'a', targets: [9, END] },
    ];
    const batch = readBatch({ length: 4, examples }, features, 3);
    expect([...batch.tokens]).to.deep.equal([START, START, 0, 7, 9, 0, 8, 0, 0, 0, 0, 0]);
    expect([...batch.targets]).to.deep.equal([7, 9, 0, 8, END, 0, END, 0, 0, 0, 0, 0]);
    expect([...batch.weights].map((w) => Math.round(5 * w))).to.deep.equal([1, 1, 0, 1, 1, 0, 1, 0, 0, 0, 0, 0]);
    expect(batch.words).to.equal(5);
    expect([...batch.features]).to.deep.equal([...features.read('b'), ...features.read('a'), 0, 0]);
  });
});
