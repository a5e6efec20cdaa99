import { expect } from 'chai';
import { compareStatistics } from '../../lib/metrics/compare.js';
import { CaptionStatistics, scoreNames } from '../../lib/metrics/statistics.js';
import { Random } from '../../lib/random.js';

/** Photos of which CIDEr is as given; ROUGE-L is a tenth of it, BLEU from as many words found of ten. */
function photosOf(cider: readonly number[]): CaptionStatistics {
  return CaptionStatistics.of(
    cider.map((score) => ({
      correct: [Math.round(score), 1, 1, 1],
      guessed: [10, 9, 8, 7],
      ...{ length: 10, referenceLength: 10, rouge: score / 10, cider: score },
    })),
  );
}

/** All k^n ways to choose one of k things n times. */
function* ways(k: number, n: number, chosen: number[] = []): Generator<number[]> {
  if (chosen.length === n) yield chosen;
  else for (let i = 0; i < k; i++) yield* ways(k, n, [...chosen, i]);
}

const a = [1, 5, 2, 7, 3];
const b = [4, 6, 1, 9, 5];
const resamples = 4000;

describe('compareStatistics', () => {
  it('approximates the p-value over all possible swaps, for means and for BLEU', () => {
    const [ofA, ofB] = [photosOf(a), photosOf(b)];
    const compared = compareStatistics(ofA, ofB, new Random(1), { resamples });
    const swaps = [...ways(2, 5)].map((swapped) => Uint8Array.from(swapped));
    for (const name of ['CIDEr', 'ROUGE-L', 'BLEU-1'] as const) {
      const observed = Math.abs(ofB.corpus()[name] - ofA.corpus()[name]);
      const large = swaps.filter(
        (swapped) =>
          Math.abs(ofA.corpusWith(ofB, swapped)[name] - ofB.corpusWith(ofA, swapped)[name]) > observed - 1e-9,
      );
      expect(compared[name].randomisation, name).to.be.closeTo(large.length / 32, 0.03);
      expect(large.length / 32).to.be.within(0.1, 0.5);
    }
    // The differences are 3, 1, -1, 2 and 2. Their sum is 7; with other signs it can be 9 (one way) or 7 (two ways), and likewise -9 and -7.
    expect(compared.CIDEr.randomisation).to.be.closeTo(6 / 32, 0.03);
  });

  it('approximates the p-value and interval over all possible resamples', () => {
    const { CIDEr } = compareStatistics(photosOf(a), photosOf(b), new Random(2), { resamples, level: 0.8 });
    const means = [...ways(5, 5)].map((drawn) => drawn.reduce((sum, i) => sum + (b[i] - a[i]) / 5, 0));
    const notBetter = means.filter((mean) => mean <= 1e-9).length / means.length;
    expect(CIDEr.bootstrap).to.be.closeTo(2 * notBetter, 0.015);
    const sorted = means.sort((x, y) => x - y);
    expect(CIDEr.interval.low).to.be.closeTo(sorted[Math.round(0.1 * sorted.length)], 0.11);
    expect(CIDEr.interval.high).to.be.closeTo(sorted[Math.round(0.9 * sorted.length)], 0.11);
    expect(CIDEr).to.deep.include({ a: 3.6, b: 5, difference: 5 - 3.6 });
  });

  it('finds no difference between a run and itself: p is 1', () => {
    for (const score of Object.values(compareStatistics(photosOf(a), photosOf(a), new Random(3)))) {
      expect(score).to.deep.include({ difference: 0, interval: { low: 0, high: 0 }, bootstrap: 1, randomisation: 1 });
    }
  });

  it('is antisymmetric: b against a is the opposite of a against b', () => {
    const there = compareStatistics(photosOf(a), photosOf(b), new Random(4));
    const back = compareStatistics(photosOf(b), photosOf(a), new Random(4));
    for (const name of scoreNames) {
      expect(back[name].difference).to.equal(-there[name].difference);
      expect(back[name].bootstrap).to.equal(there[name].bootstrap);
      expect(back[name].randomisation).to.be.closeTo(there[name].randomisation, 0.05);
      expect(back[name].interval.low).to.be.closeTo(-there[name].interval.high, 1e-9);
    }
  });

  it('is sure of a difference on every photo, as far as so few samples let it', () => {
    const better = photosOf(Array.from({ length: 40 }, (_, i) => 2 + (i % 5)));
    const worse = photosOf(Array.from({ length: 40 }, (_, i) => 1 + (i % 5)));
    const { CIDEr } = compareStatistics(worse, better, new Random(5), { resamples: 999 });
    expect(CIDEr.randomisation).to.equal(0.001);
    expect(CIDEr.bootstrap).to.equal(0.002);
    expect(CIDEr.interval.low).to.be.closeTo(1, 1e-9);
  });

  it('does not mistake chance: p is below .1 about one time in ten', () => {
    const random = new Random(6);
    let [boot, randomised] = [0, 0];
    for (let trial = 0; trial < 150; trial++) {
      const run = () => photosOf(Array.from({ length: 50 }, () => random.uniform()));
      const { CIDEr } = compareStatistics(run(), run(), random, { resamples: 200 });
      if (CIDEr.bootstrap < 0.1) boot += 1;
      if (CIDEr.randomisation < 0.1) randomised += 1;
    }
    expect(boot / 150).to.be.within(0.03, 0.18);
    expect(randomised / 150).to.be.within(0.03, 0.18);
  });

  it('refuses other numbers of photos', () => {
    expect(() => compareStatistics(photosOf(a), photosOf([1]), new Random(1))).to.throw(RangeError);
  });
});
