import { expect } from 'chai';
import { featureStatistics } from '../../../lib/data/features/statistics.js';
import { randomFeatures } from '../../fixtures/random-features.js';

describe('featureStatistics', () => {
  it('is mean and deviation of each feature, the variance raised by 1e-5', () => {
    const rows: Record<string, number[]> = { a: [1, 5], b: [3, 5] };
    const features = {
      ...randomFeatures(['a', 'b'], 2),
      read: (id: string, into = new Float32Array(2)) => {
        into.set(rows[id]);
        return into;
      },
    };
    const { mean, std } = featureStatistics(features, [{ id: 'a' }, { id: 'b' }]);
    expect([...mean]).to.deep.equal([2, 5]);
    expect(std[0]).to.be.closeTo(Math.sqrt(1 + 1e-5), 1e-6);
    expect(std[1], 'a feature that never changes is not blown up').to.be.closeTo(Math.sqrt(1e-5), 1e-6);
  });
});
