/** A stage of a sweep: its runs are trained up to an epoch, then only the best points continue. */
export interface Rung {
  readonly epoch: number;
  /** Points that continue after this epoch. */
  readonly keep: number;
}

/**
 * The stages of successive halving (Jamieson and Talwalkar 2016): at each rung the best 1/factor of the points continue, for `factor`
 * times as many epochs. The last rung is the whole run.
 * @param factor 1 trains all points to the end.
 */
export function rungsOf(epochs: number, points: number, factor: number): Rung[] {
  const log = (n: number) => Math.floor(Math.log(n) / Math.log(factor) + 1e-9);
  const cuts = factor > 1 && points > 1 ? Math.min(log(points), log(epochs)) : 0;
  return Array.from({ length: cuts + 1 }, (_, i) => ({
    epoch: Math.max(1, Math.round(epochs / factor ** (cuts - i))),
    keep: i < cuts ? Math.ceil(points / factor ** (i + 1)) : points,
  }));
}

/** The `keep` points with the greatest mean goal over their runs, in the order given. A point without any goal comes last. */
export function survivors<Point>(
  points: readonly Point[],
  goals: (point: Point) => readonly number[],
  keep: number,
): Point[] {
  const mean = new Map(
    points.map((point) => {
      const all = goals(point);
      return [point, all.length === 0 ? -Infinity : all.reduce((sum, goal) => sum + goal, 0) / all.length];
    }),
  );
  const kept = new Set([...points].sort((a, b) => compare(mean.get(b)!, mean.get(a)!)).slice(0, keep));
  return points.filter((point) => kept.has(point));
}

/** The order of two numbers; infinities are equal to themselves. */
function compare(a: number, b: number): number {
  return a === b ? 0 : a - b;
}
