/** Weights of a logistic regression: p(y = 1) = 1 / (1 + exp(-(bias + weights . x))). */
export interface LogisticModel {
  readonly weights: readonly number[];
  readonly bias: number;
}

/** The probability that a logistic regression assigns to `x`, in (0, 1). */
export function logistic({ weights, bias }: LogisticModel, x: readonly number[]): number {
  return 1 / (1 + Math.exp(-weights.reduce((sum, weight, i) => sum + weight * x[i], bias)));
}

/** Regularisation, which keeps weights finite if a predictor separates the outcomes perfectly. */
const ridge = 1e-3;

/**
 * Fits a logistic regression by Newton's method (Bishop, Pattern Recognition and Machine Learning, 4.3.3).
 *
 * @param rows predictors of each observation, [N][D].
 * @param outcomes 1 or 0 for each observation, [N].
 */
export function fitLogistic(rows: readonly (readonly number[])[], outcomes: readonly number[]): LogisticModel {
  const D = rows[0]?.length ?? 0;
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const means = Array.from({ length: D }, (_, d) => mean(rows.map((row) => row[d])));
  const deviations = means.map((m, d) => Math.sqrt(mean(rows.map((row) => (row[d] - m) ** 2))) || 1);
  // Standardised predictors and a constant 1 for the bias: [N][D + 1]
  const x = rows.map((row) => [...row.map((value, d) => (value - means[d]) / deviations[d]), 1]);
  let w: number[] = Array.from({ length: D + 1 }, () => 0);
  for (let iteration = 0; iteration < 50; iteration++) {
    const gradient = w.map((weight, d) => (d < D ? ridge * x.length * weight : 0));
    const hessian = w.map((_, i) => w.map((__, j) => (i === j && i < D ? ridge * x.length : 1e-9)));
    x.forEach((row, n) => {
      const p = logistic({ weights: w, bias: 0 }, row);
      row.forEach((a, i) => {
        gradient[i] += (p - outcomes[n]) * a;
        row.forEach((b, j) => (hessian[i][j] += p * (1 - p) * a * b));
      });
    });
    const step = solve(hessian, gradient);
    w = w.map((weight, i) => weight - step[i]);
    if (Math.max(...step.map(Math.abs)) < 1e-9) break;
  }
  const weights = deviations.map((deviation, d) => w[d] / deviation);
  return { weights, bias: weights.reduce((bias, weight, d) => bias - weight * means[d], w[D]) };
}

/** Solves A x = b by Gaussian elimination with partial pivoting; `a` [n][n], `b` [n]. */
function solve(a: readonly (readonly number[])[], b: readonly number[]): number[] {
  const n = b.length;
  const m = a.map((row, i) => [...row, b[i]]); // [n][n + 1]
  for (let column = 0; column < n; column++) {
    let pivot = column;
    for (let row = column + 1; row < n; row++) {
      if (Math.abs(m[row][column]) > Math.abs(m[pivot][column])) pivot = row;
    }
    [m[column], m[pivot]] = [m[pivot], m[column]];
    for (let row = column + 1; row < n; row++) {
      const factor = m[row][column] / m[column][column];
      for (let k = column; k <= n; k++) m[row][k] -= factor * m[column][k];
    }
  }
  const x: number[] = Array.from({ length: n }, () => 0);
  for (let row = n - 1; row >= 0; row--) {
    let sum = m[row][n];
    for (let k = row + 1; k < n; k++) sum -= m[row][k] * x[k];
    x[row] = sum / m[row][row];
  }
  return x;
}
