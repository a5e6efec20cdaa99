import { Random } from '../random.js';

/**
 * Coordinates of points along the directions of greatest variance: principal component analysis, by
 * power iteration on the Gram matrix of the points, which is fast if there are fewer points than
 * dimensions.
 *
 * @param rows [n][d].
 * @returns [n][dimensions]: uncorrelated, the widest first; signs such that the largest coordinate
 *   is positive.
 */
export function principalComponents(rows: readonly ArrayLike<number>[], dimensions = 2): number[][] {
  const n = rows.length;
  const d = rows[0]?.length ?? 0;
  const mean = new Float64Array(d);
  for (const row of rows) for (let j = 0; j < d; j++) mean[j] += row[j] / n;
  const centred = rows.map((row) => Float64Array.from({ length: d }, (_, j) => row[j] - mean[j])); // [n][d]
  const random = new Random(1);
  const found: Float64Array[] = []; // of each component, the unit vector over the points
  const coordinates = rows.map(() => [] as number[]);
  for (let component = 0; component < Math.min(dimensions, n); component++) {
    let u = normalised(Float64Array.from({ length: n }, () => random.normal()));
    let spread = 0;
    for (let round = 0; round < 300; round++) {
      // u <- X X' u, by way of X' u: n d multiplications instead of n².
      const direction = new Float64Array(d);
      centred.forEach((row, i) => {
        for (let j = 0; j < d; j++) direction[j] += u[i] * row[j];
      });
      const next = Float64Array.from(centred, (row) => row.reduce((sum, value, j) => sum + value * direction[j], 0));
      for (const before of found) {
        const shadow = next.reduce((sum, value, i) => sum + value * before[i], 0);
        for (let i = 0; i < n; i++) next[i] -= shadow * before[i];
      }
      const length = Math.sqrt(next.reduce((sum, value) => sum + value * value, 0));
      const unit = normalised(next);
      const change = unit.reduce((sum, value, i) => Math.max(sum, Math.abs(value - u[i])), 0);
      u = unit;
      spread = length;
      if (change < 1e-9) break;
    }
    const scale = Math.sqrt(spread);
    const greatest = u.reduce((best, value) => (Math.abs(value) > Math.abs(best) ? value : best), 0);
    const sign = greatest < 0 ? -1 : 1;
    coordinates.forEach((point, i) => point.push(sign * scale * u[i]));
    found.push(u);
  }
  return coordinates;
}

function normalised(vector: Float64Array): Float64Array {
  const length = Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0)) || 1;
  return vector.map((value) => value / length);
}

/** Cosine of the angle between two vectors, in [-1, 1]; 0 if one has no length. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [product, aa, bb] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    product += a[i] * b[i];
    aa += a[i] * a[i];
    bb += b[i] * b[i];
  }
  return aa && bb ? product / Math.sqrt(aa * bb) : 0;
}

/** The `count` candidates most similar to `vector` by cosine, the nearest first. */
export function nearestNeighbours<T extends { readonly vector: ArrayLike<number> }>(
  vector: ArrayLike<number>,
  candidates: readonly T[],
  count: number,
): (T & { readonly similarity: number })[] {
  return candidates
    .map((candidate) => ({ ...candidate, similarity: cosine(vector, candidate.vector) }))
    .sort((a, b) => b.similarity - a.similarity)
    .slice(0, count);
}
