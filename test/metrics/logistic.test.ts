import { expect } from 'chai';
import { areaUnderRoc, reliability } from '../../lib/metrics/calibration.js';
import { fitLogistic, logistic } from '../../lib/metrics/logistic.js';
import { Random } from '../../lib/random.js';

describe('logistic regression', () => {
  it('finds the weights that outcomes were drawn by', () => {
    const random = new Random(1);
    const truth = { weights: [1.5, -0.02], bias: 0.5 };
    const rows = Array.from({ length: 20000 }, () => [random.uniform() * 4 - 2, 100 * random.uniform()]);
    const outcomes = rows.map((row) => Number(random.uniform() < logistic(truth, row)));
    const { weights, bias } = fitLogistic(rows, outcomes);
    expect(weights[0]).to.be.closeTo(1.5, 0.08);
    expect(weights[1]).to.be.closeTo(-0.02, 0.002);
    expect(bias).to.be.closeTo(0.5, 0.12);
  });

  it('gives the share of outcomes on the mean, as the maximum of the likelihood does', () => {
    const rows = [[1], [2], [3], [4], [5]];
    const outcomes = [0, 1, 0, 1, 1];
    const model = fitLogistic(rows, outcomes);
    const mean = rows.reduce((sum, row) => sum + logistic(model, row), 0) / rows.length;
    expect(mean).to.be.closeTo(0.6, 1e-6);
  });

  it('stays finite if a predictor separates the outcomes, or does not vary', () => {
    const { weights, bias } = fitLogistic([[1, 7], [2, 7], [3, 7], [4, 7]], [0, 0, 1, 1]); // prettier-ignore
    for (const value of [...weights, bias]) expect(value).to.satisfy(Number.isFinite);
    expect(weights[1]).to.be.closeTo(0, 1e-6);
  });
});

describe('reliability', () => {
  it('has the area under the ROC curve, ties counting half', () => {
    expect(areaUnderRoc([0.9, 0.8, 0.2, 0.1], [true, true, false, false])).to.equal(1);
    expect(areaUnderRoc([0.9, 0.2, 0.8, 0.1], [true, true, false, false])).to.equal(0.75);
    expect(areaUnderRoc([0.5, 0.5, 0.5], [true, false, true])).to.equal(0.5);
    expect(areaUnderRoc([0.5, 0.6], [true, true])).to.equal(undefined);
  });

  it('compares probabilities with outcomes, bin by bin', () => {
    const { share, brier, bins } = reliability([0.1, 0.2, 0.7, 0.8], [false, true, true, true], 2);
    expect(share).to.equal(0.75);
    expect(brier).to.be.closeTo((0.01 + 0.64 + 0.09 + 0.04) / 4, 1e-12);
    expect(bins.map(({ captions, score }) => [captions, score])).to.deep.equal([
      [2, 0.5],
      [2, 1],
    ]);
    expect(bins.map(({ confidence }) => Number(confidence.toFixed(3)))).to.deep.equal([0.15, 0.75]);
  });
});
