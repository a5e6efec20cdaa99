import { expect } from 'chai';
import { featureSimilarity } from '../../../lib/model/encoder/feature-similarity.js';
import { Random } from '../../../lib/random.js';

describe('the similarity of features', () => {
  const [N, D] = [64, 8];
  const random = new Random(1);
  const features = Float32Array.from({ length: N * D }, () => random.normal());

  it('is 1 for the same features, also those of a single photo', () => {
    expect(featureSimilarity(features, features, N)).to.be.closeTo(1, 1e-9);
    expect(featureSimilarity(features.slice(0, D), features.slice(0, D), 1)).to.equal(1);
  });

  it('is the cosine of standardised features', () => {
    // The first half of the features is reversed, so they cancel the other half.
    const half = features.map((x, i) => (i % D < D / 2 ? -x : x));
    expect(featureSimilarity(features, half, N)).to.be.closeTo(0, 0.1);
    const opposite = features.map((x) => -x);
    expect(featureSimilarity(features, opposite, N)).to.be.lessThan(-0.9);
  });

  it('hardly depends on features that are almost constant', () => {
    // Two features are 0 but for tiny numbers, which rounding changes completely.
    const dead = (i: number) => i % D < 2;
    const expected = features.map((x, i) => (dead(i) ? 1e-5 * x : x));
    const found = features.map((x, i) => (dead(i) ? -2e-5 * x : x));
    expect(featureSimilarity(expected, found, N)).to.be.greaterThan(0.999);
  });
});
