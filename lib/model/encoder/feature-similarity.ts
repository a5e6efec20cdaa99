import { featureDeviation } from '../../data/features/statistics.js';

/**
 * The mean cosine of the rows of two matrices of features. Each feature is standardised by its mean and its standard deviation in the
 * first matrix, as captioners standardise features.
 * @param expected [N, D]
 * @param found [N, D]
 */
export function featureSimilarity(expected: Float32Array, found: Float32Array, N: number): number {
  const D = expected.length / N;
  const [mean, square] = [new Float64Array(D), new Float64Array(D)];
  expected.forEach((x, i) => {
    mean[i % D] += x / N;
    square[i % D] += (x * x) / N;
  });
  const std = mean.map((m, d) => featureDeviation(m, square[d]));
  let sum = 0;
  for (let row = 0; row < N; row++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let d = 0; d < D; d++) {
      const [x, y] = [expected, found].map((rows) => (rows[row * D + d] - mean[d]) / std[d]);
      [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
    }
    sum += aa && bb ? ab / Math.sqrt(aa * bb) : Number(aa === bb);
  }
  return sum / N;
}
