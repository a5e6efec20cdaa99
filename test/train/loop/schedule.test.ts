import { expect } from 'chai';
import { learningRateAt } from '../../../lib/train/loop/schedule.js';

const at = (steps: number[], schedule: 'constant' | 'linear' | 'cosine', warmupSteps = 0) =>
  steps.map((step) => Math.round(1e6 * learningRateAt(step, 100, { learningRate: 1, schedule, warmupSteps })) / 1e6);

describe('learningRateAt', () => {
  it('is constant, or falls to zero at the end', () => {
    expect(at([0, 50, 99], 'constant')).to.deep.equal([1, 1, 1]);
    expect(at([0, 25, 50, 100], 'linear')).to.deep.equal([1, 0.75, 0.5, 0]);
    expect(at([0, 25, 50, 75, 100], 'cosine')).to.deep.equal([1, 0.853553, 0.5, 0.146447, 0]);
  });

  it('rises over the warm-up first', () => {
    expect(at([0, 1, 4, 9, 10], 'constant', 10)).to.deep.equal([0.1, 0.2, 0.5, 1, 1]);
    expect(at([9, 10, 55, 100], 'linear', 10)).to.deep.equal([1, 1, 0.5, 0]);
  });

  it('does not fall below zero after the end, nor divide by zero in a run of only warm-up', () => {
    expect(at([120], 'linear')).to.deep.equal([0]);
    expect(at([100, 120], 'cosine', 100)).to.deep.equal([1, 0]);
  });
});
