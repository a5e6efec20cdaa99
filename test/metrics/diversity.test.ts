import { expect } from 'chai';
import { calibration, spearmanCorrelation } from '../../lib/metrics/calibration.js';
import { diversity } from '../../lib/metrics/diversity.js';
import { Random } from '../../lib/random.js';

const words = (caption: string) => caption.split(' ').filter(Boolean);

describe('diversity', () => {
  it('counts as one does by hand', () => {
    const captions = ['a dog runs', 'a dog runs', 'a cat'].map(words);
    const training = ['a dog runs', 'two cats'].map(words);
    expect(diversity(captions, { training, vocabularySize: 40 })).to.deep.equal({
      distinctCaptions: 2 / 3,
      'distinct-1': 4 / 8, // a, dog, runs, cat
      'distinct-2': 3 / 5, // a dog, dog runs, a cat
      novel: 1 / 3,
      words: 4,
      vocabulary: 0.1,
      length: 8 / 3,
      frequent: [
        ['a dog runs', 2],
        ['a cat', 1],
      ],
    });
  });

  it('leaves unknown values out, and accepts captions without words', () => {
    const empty = diversity([[], []]);
    expect(empty).to.include({ distinctCaptions: 0.5, 'distinct-1': 0, 'distinct-2': 0, words: 0, length: 0 });
    expect(empty).not.to.have.any.keys('novel', 'vocabulary');
  });
});

describe('spearmanCorrelation', () => {
  it('matches known values', () => {
    expect(spearmanCorrelation([1, 2, 3], [10, 100, 1000])).to.equal(1);
    expect(spearmanCorrelation([1, 2, 3], [3, 2, 1])).to.equal(-1);
    // 1 - 6 (1 + 1 + 4 + 0 + 4) / (5 * 24)
    expect(spearmanCorrelation([1, 2, 3, 4, 5], [2, 1, 5, 4, 3])).to.be.closeTo(0.5, 1e-12);
    // Equal values share their ranks: 4.5 / sqrt(4.5 * 5).
    expect(spearmanCorrelation([1, 2, 2, 3], [1, 3, 2, 4])).to.be.closeTo(0.9486832980505138, 1e-12);
    expect(spearmanCorrelation([1, 1, 1], [1, 2, 3])).to.be.undefined;
    expect(spearmanCorrelation([], [])).to.be.undefined;
  });

  it('depends only on the order, and is near 0 for independent values', () => {
    const random = new Random(2);
    const x = Array.from({ length: 2000 }, () => random.normal());
    const y = x.map((value) => value + random.normal());
    const same = spearmanCorrelation(x, y)!;
    expect(
      spearmanCorrelation(
        x.map((value) => Math.exp(value)),
        y.map((value) => value ** 3),
      ),
    ).to.be.closeTo(same, 1e-12);
    // Of two normal variables with correlation r it is 6 / pi asin(r / 2); here r = 1 / sqrt(2).
    expect(same).to.be.closeTo((6 / Math.PI) * Math.asin(Math.SQRT1_2 / 2), 0.03);
    expect(Math.abs(spearmanCorrelation(random.shuffle([...x]), y)!)).to.be.below(0.06);
  });
});

describe('calibration', () => {
  it('puts as many captions into each bin, from the least confident on', () => {
    const { spearman, bins } = calibration([-1, -5, -3, -4, -2], [5, 1, 3, 2, 4], 2);
    expect(spearman).to.equal(1);
    expect(bins).to.deep.equal([
      { captions: 3, from: -5, to: -3, confidence: -4, score: 2 },
      { captions: 2, from: -2, to: -1, confidence: -1.5, score: 4.5 },
    ]);
  });

  it('has no more bins than captions', () => {
    expect(calibration([-1, -2], [0, 1]).bins).to.have.length(2);
    expect(calibration([], [])).to.deep.equal({ bins: [] });
  });
});
