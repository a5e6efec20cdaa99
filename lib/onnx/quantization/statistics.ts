/** The least and the greatest number of a value. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/**
 * A way to choose the range of a value: the one with the least squared error over all photos, or one that ends at the greatest number
 * of an average photo, where that is narrower. Numbers outside a range are cut off.
 */
export const rangeChoices = ['least-error', 'average-photo'] as const;
export type RangeChoice = (typeof rangeChoices)[number];

/** Facts about a value of a network, from the photos that it is calibrated on. */
export interface ValueStatistics {
  /** The range to write in 8 bits. */
  readonly ranges: Readonly<Record<RangeChoice, Range>>;
  /** The mean of each channel (the second axis). */
  readonly means: Float64Array;
}

/** Collects the statistics of one value, batch by batch. */
export class StatisticsCollector {
  private readonly histogram = new Histogram();
  private sums = new Float64Array(0);
  private count = 0;
  /** Sums over the photos of the least and the greatest number of each. */
  private readonly ends = { min: 0, max: 0, photos: 0 };

  /** @param dims [N, C, …] */
  add(values: Float32Array, [N, C]: readonly number[]): void {
    this.histogram.add(values);
    if (this.sums.length === 0) this.sums = new Float64Array(C);
    const places = values.length / (N * C);
    this.addEnds(values, N);
    for (let row = 0; row < N * C; row++) {
      let sum = 0;
      for (let i = row * places; i < (row + 1) * places; i++) sum += values[i];
      this.sums[row % C] += sum;
    }
    this.count += N * places;
  }

  finish(): ValueStatistics {
    const best = this.histogram.bestRange();
    const { min, max, photos } = this.ends;
    const average = { min: Math.max(best.min, min / photos), max: Math.min(best.max, max / photos) };
    return {
      ranges: { 'least-error': best, 'average-photo': average },
      means: this.sums.map((sum) => sum / this.count),
    };
  }

  private addEnds(values: Float32Array, N: number): void {
    const size = values.length / N;
    for (let photo = 0; photo < N; photo++) {
      let [min, max] = [0, 0];
      for (let i = photo * size; i < (photo + 1) * size; i++) {
        if (values[i] < min) min = values[i];
        else if (values[i] > max) max = values[i];
      }
      this.ends.min += min;
      this.ends.max += max;
    }
    this.ends.photos += N;
  }
}

/** Bins of each sign. */
const bins = 4096;

/** Counts of numbers by size. The bins widen as larger numbers come. */
class Histogram {
  private width = 2 ** -16;
  private readonly positive = new Float64Array(bins);
  private readonly negative = new Float64Array(bins);
  private min = 0;
  private max = 0;

  add(values: Float32Array): void {
    let [min, max] = [this.min, this.max];
    // Hundreds of millions of numbers pass here: loops over indices are several times as fast.
    const end = values.length;
    for (let i = 0; i < end; i++) {
      if (values[i] < min) min = values[i];
      else if (values[i] > max) max = values[i];
    }
    [this.min, this.max] = [min, max];
    if (!Number.isFinite(max - min)) return; // the range tells
    while (Math.max(max, -min) >= bins * this.width) this.widen();
    const perUnit = 1 / this.width;
    const { positive, negative } = this;
    for (let i = 0; i < end; i++) {
      const x = values[i];
      if (x > 0) positive[Math.floor(x * perUnit)]++;
      else if (x < 0) negative[Math.floor(-x * perUnit)]++;
    }
  }

  /**
   * The range, with 0 in it, whose 256 steps give the least mean squared error: a narrow range cuts large numbers off, a wide one
   * rounds all others coarsely.
   */
  bestRange(): Range {
    let best = { min: this.min, max: this.max };
    let least = this.error(best);
    const consider = (range: Range): void => {
      const error = this.error(range);
      if (error < least) [best, least] = [range, error];
    };
    for (let round = 0; round < (this.min < 0 ? 3 : 1); round++) {
      const { min, max } = best;
      for (const share of shares) consider({ min, max: share * this.max });
      for (const share of this.min < 0 ? shares : []) consider({ min: share * this.min, max: best.max });
      if (best.min === min && best.max === max) break;
    }
    return best;
  }

  /** The sum of squared errors of all numbers in 256 steps of a range. */
  private error({ min, max }: Range): number {
    const rounding = ((max - min) / 255) ** 2 / 12;
    let sum = 0;
    const sign = (counts: Float64Array, end: number): void => {
      for (let bin = 0; bin < bins; bin++) {
        const x = (bin + 0.5) * this.width;
        sum += counts[bin] * (x > end ? (x - end) ** 2 : rounding);
      }
    };
    sign(this.positive, max);
    sign(this.negative, -min);
    return sum;
  }

  private widen(): void {
    for (const counts of [this.positive, this.negative]) {
      for (let bin = 0; bin < bins / 2; bin++) counts[bin] = counts[2 * bin] + counts[2 * bin + 1];
      counts.fill(0, bins / 2);
    }
    this.width *= 2;
  }
}

/** Shares of the whole range that are considered. */
const shares = Array.from({ length: 40 }, (_, i) => 0.2 + 0.02 * (i + 1));
