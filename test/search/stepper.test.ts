import { expect } from 'chai';
import { lengthNormalized, normalizedProbabilities, probability } from '../../lib/search/stepper.js';
import { topWords } from '../../lib/search/top-words.js';
import { Random } from '../../lib/random.js';

describe('probabilities of captions', () => {
  it('are e to the sum of the logarithms', () => {
    expect(probability({ logProbability: Math.log(0.25) })).to.be.closeTo(0.25, 1e-12);
  });

  it('are normalised over the given words, however small', () => {
    const shares = normalizedProbabilities([{ logProbability: -2000 }, { logProbability: -2000 - Math.log(3) }]);
    expect(shares[0]).to.be.closeTo(0.75, 1e-12);
    expect(shares[1]).to.be.closeTo(0.25, 1e-12);
    expect(normalizedProbabilities([])).to.deep.equal([]);
  });

  it('are divided by the length to the power of the penalty', () => {
    expect(lengthNormalized(-6, 4, 0)).to.equal(-6);
    expect(lengthNormalized(-6, 4, 0.5)).to.equal(-3);
    expect(lengthNormalized(-6, 4, 1)).to.equal(-1.5);
  });
});

describe('topWords', () => {
  it('matches sorting', () => {
    const random = new Random(5);
    for (const size of [5, 6, 50, 500]) {
      const values = Float32Array.from({ length: 2 * size }, () => -random.integer(40) / 4);
      for (const count of [1, 3, 10, 1000]) {
        const sorted = Array.from(values.subarray(size), (logProbability, token) => ({ token, logProbability }))
          .filter(({ token }) => token === 2 || token > 3)
          .sort((a, b) => b.logProbability - a.logProbability || a.token - b.token);
        expect(topWords(values, 1, size, count)).to.deep.equal(sorted.slice(0, count));
      }
    }
  });
});
