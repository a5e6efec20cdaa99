import { expect } from 'chai';
import { bootstrapIntervals, middle } from '../../lib/metrics/bootstrap.js';
import { CaptionScorer } from '../../lib/metrics/scorer.js';
import { CaptionStatistics, scoreNames } from '../../lib/metrics/statistics.js';
import { Random } from '../../lib/random.js';

const words = (caption: string) => caption.split(' ').filter(Boolean);
const references = [
  ['a dog runs on the grass', 'a brown dog is running through a grassy field', 'the dog is playing outside'],
  ['two men ride bikes on a street', 'two people riding bicycles down the road'],
  ['a plate of food with rice and vegetables', 'rice and broccoli on a white plate', 'a meal on a table', 'food'],
].map((captions) => captions.map(words));
const candidates = [
  'a dog is running on the grass',
  'a man riding a bike down the street',
  'a plate of rice and broccoli on a table',
].map(words);

/** Photos of which CIDEr is as given, and all else the same. */
function photosOf(cider: readonly number[]): CaptionStatistics {
  return CaptionStatistics.of(
    cider.map((score) => ({
      correct: [1, 0, 0, 0],
      guessed: [2, 1, 0, 0],
      ...{ length: 2, referenceLength: 2, rouge: 0.5, cider: score },
    })),
  );
}

/** All n^n ways to draw n of n. */
function* draws(n: number, drawn: number[] = []): Generator<number[]> {
  if (drawn.length === n) yield drawn;
  else for (let i = 0; i < n; i++) yield* draws(n, [...drawn, i]);
}

describe('CaptionStatistics', () => {
  const scorer = new CaptionScorer(references);
  const statistics = scorer.statistics(candidates);

  it('give any choice of photos the scores that its captions have', () => {
    for (const chosen of [[0], [2], [0, 1], [1, 1, 2], [2, 2, 2, 0], [0, 1, 2]]) {
      const pick = <T>(of: readonly T[]) => chosen.map((i) => of[i]);
      const { corpus } = new CaptionScorer(pick(references)).score(pick(candidates));
      const sums = statistics.corpus(chosen);
      // CIDEr is another one: what is rare among these photos is not what is rare among all.
      for (const name of scoreNames.filter((name) => name !== 'CIDEr')) {
        expect(sums[name], `${name} of ${chosen.join()}`).to.be.closeTo(corpus[name], 1e-12);
      }
      const mean = chosen.reduce((sum, i) => sum + statistics.photo(i).cider, 0) / chosen.length;
      expect(sums.CIDEr).to.be.closeTo(mean, 1e-12);
    }
  });

  it('combine with photos from another set of captions', () => {
    const other = scorer.statistics([candidates[0], [], words('food on a plate')]);
    const mixed = scorer.score([candidates[0], [], candidates[2]]).corpus;
    expect(statistics.corpusWith(other, Uint8Array.of(0, 1, 0))).to.deep.equal(mixed);
    expect(statistics.corpusWith(other, Uint8Array.of(1, 1, 1))).to.deep.equal(other.corpus());
  });
});

describe('bootstrapIntervals', () => {
  it('approximate those of all possible resamples', () => {
    const cider = [0.1, 0.4, 1.2, 2];
    const statistics = photosOf(cider);
    const all = [...draws(4)].map((drawn) => statistics.corpus(drawn).CIDEr);
    expect(all).to.have.length(256);
    for (const level of [0.5, 0.8, 0.95]) {
      const exact = middle(all, level);
      const { CIDEr, 'ROUGE-L': rouge } = bootstrapIntervals(statistics, new Random(4), { resamples: 20000, level });
      expect(CIDEr.low).to.be.closeTo(exact.low, 0.03);
      expect(CIDEr.high).to.be.closeTo(exact.high, 0.03);
      expect(rouge).to.deep.equal({ low: 0.5, high: 0.5 });
    }
  });

  it('hold the score of all photos, are the same for the same seed, and shrink with the root of the photos', () => {
    const random = new Random(8);
    const width = (photos: number) => {
      const statistics = photosOf(Array.from({ length: photos }, () => random.uniform()));
      const { CIDEr } = bootstrapIntervals(statistics, new Random(1));
      expect(CIDEr.low).to.be.below(statistics.corpus().CIDEr);
      expect(CIDEr.high).to.be.above(statistics.corpus().CIDEr);
      expect(bootstrapIntervals(statistics, new Random(1)).CIDEr).to.deep.equal(CIDEr);
      return CIDEr.high - CIDEr.low;
    };
    const [few, many] = [width(100), width(1600)];
    // Of uniform scores the deviation is 1 / sqrt(12), and 95 % of the normal distribution lie within 1.96 deviations.
    expect(few).to.be.closeTo((2 * 1.96) / Math.sqrt(12 * 100), 0.025);
    expect(few / many).to.be.closeTo(4, 0.6);
  });

  it('cover the true score at the nominal rate', () => {
    const random = new Random(21);
    let covered = 0;
    for (let trial = 0; trial < 200; trial++) {
      const statistics = photosOf(Array.from({ length: 60 }, () => random.uniform()));
      const { low, high } = bootstrapIntervals(statistics, random, { resamples: 300, level: 0.9 }).CIDEr;
      if (low <= 0.5 && 0.5 <= high) covered += 1;
    }
    expect(covered / 200).to.be.within(0.83, 0.96);
  });
});

describe('middle', () => {
  it('interpolates between values', () => {
    expect(middle([4, 1, 3, 2, 5], 0.5)).to.deep.equal({ low: 2, high: 4 });
    expect(middle([0, 10], 0.5)).to.deep.equal({ low: 2.5, high: 7.5 });
    expect(middle([7], 0.95)).to.deep.equal({ low: 7, high: 7 });
  });
});
