/**
 * The weights by which libvips resizes 8-bit images: Lanczos with three lobes to reduce, a
 * Catmull-Rom spline to enlarge. Positions are rounded to 64ths of a pixel and weights are cut to 12
 * binary digits, as there, so that results are the same.
 */

/** Binary digits of a weight after the point. */
export const fraction = 12;
/** Positions between two pixels. */
const positions = 64;
/** Rows that libvips computes together, adding up their positions. */
const strip = 16;
const lobes = 3;

/** The weights of an axis, as `ResizeKernel` reads them: for each output its first input and the weights from there on. */
export interface ResamplingTable {
  readonly words: Int32Array;
  /** Words of weights per output, two in each; an even number. */
  readonly pairs: number;
}

/** Weights that reduce an axis of `length` pixels to `size`. */
export function reducingTable(length: number, size: number, axis: 'rows' | 'columns'): ResamplingTable {
  const factor = 1 / (1 / (length / size)); // libvips takes the reciprocal
  const points = 2 * Math.round(lobes * factor) + 1;
  const together = axis === 'rows' ? strip : size;
  const weightsAt = (part: number) => {
    const centre = part / positions + points / 2 - 1;
    const weights = Array.from({ length: points }, (_, k) => lanczos((k - centre) / factor));
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return weights.map((weight) => weight / sum);
  };
  let position = 0;
  const positionOf = (i: number) => {
    const offset = (size * factor - length - 1) / 2;
    return (position = i % together === 0 ? (i + 0.5) * factor - 0.5 - offset : position + factor);
  };
  return tableOf({ length, size, before: Math.ceil(points / 2) - 1, positionOf, weightsAt });
}

/**
 * Weights that enlarge an axis of `length` pixels to `size`, or move it: libvips enlarges from the
 * left edge of a pixel, not from its middle, and moves both axes if it enlarges one.
 */
export function enlargingTable(length: number, size: number): ResamplingTable {
  const positionOf = (i: number) => (i * length) / size + 0.5; // in an image with one more pixel at the start
  return tableOf({ length, size, before: 2, positionOf, weightsAt: (part) => spline(part / positions) });
}

interface Resampling {
  readonly length: number;
  readonly size: number;
  /** Inputs with a weight before the one at the position. */
  readonly before: number;
  readonly positionOf: (output: number) => number;
  /** The weights for a position that is so many 64ths after a pixel. */
  readonly weightsAt: (part: number) => readonly number[];
}

function tableOf({ length, size, before, positionOf, weightsAt }: Resampling): ResamplingTable {
  const kernels = new Map<number, readonly number[]>();
  const outputs = Array.from({ length: size }, (_, i) => {
    const position = positionOf(i);
    const part = ((Math.trunc(2 * positions * position) % (2 * positions)) + 1) >> 1;
    let kernel = kernels.get(part);
    if (!kernel) kernels.set(part, (kernel = weightsAt(part).map((weight) => Math.trunc(weight * 2 ** fraction))));
    return withinEdges(kernel, Math.trunc(position) - before, length);
  });
  const most = Math.max(...outputs.map(({ weights }) => weights.length));
  const pairs = 2 * Math.ceil(most / 4);
  const words = new Int32Array(size * (1 + pairs));
  const halves = new Int16Array(words.buffer);
  for (const [i, { first, weights }] of outputs.entries()) {
    const at = i * (1 + pairs);
    words[at] = first;
    halves.set(weights, 2 * (at + 1));
  }
  return { words, pairs };
}

/**
 * The weights of an output without zeros at both ends, and the input of the first of them. Beyond
 * its edges the photo continues with the pixels at the edges.
 */
function withinEdges(kernel: readonly number[], start: number, length: number): { first: number; weights: number[] } {
  const inputs = new Map<number, number>();
  for (const [k, weight] of kernel.entries()) {
    const input = Math.max(0, Math.min(length - 1, start + k));
    if (weight !== 0) inputs.set(input, (inputs.get(input) ?? 0) + weight);
  }
  const first = Math.min(...inputs.keys());
  const last = Math.max(...inputs.keys());
  return { first, weights: Array.from({ length: last - first + 1 }, (_, k) => inputs.get(first + k) ?? 0) };
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= lobes) return 0;
  const angle = Math.PI * x;
  return (lobes * Math.sin(angle) * Math.sin(angle / lobes)) / (angle * angle);
}

/** The spline of Catmull and Rom: weights of the four pixels around a position between the middle two. */
function spline(x: number): readonly number[] {
  const outer = -0.5 * x * (1 - x);
  const [first, last] = [(1 - x) * outer, x * outer];
  return [first, 1 - x - 2 * first + last, x - 2 * last + first, last];
}
