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
  const kernelAt = (part: number) => {
    const centre = part / positions + points / 2 - 1;
    const weights: number[] = [];
    let sum = 0;
    for (let k = 0; k < points; k++) {
      const weight = lanczos((k - centre) / factor);
      weights.push(weight);
      sum += weight;
    }
    return cut(weights, sum);
  };
  let position = 0;
  const positionOf = (i: number) => {
    const offset = (size * factor - length - 1) / 2;
    return (position = i % together === 0 ? (i + 0.5) * factor - 0.5 - offset : position + factor);
  };
  return tableOf({ length, size, before: Math.ceil(points / 2) - 1, positionOf, kernelAt });
}

/**
 * Weights that enlarge an axis of `length` pixels to `size`, or move it: libvips enlarges from the
 * left edge of a pixel, not from its middle, and moves both axes if it enlarges one.
 */
export function enlargingTable(length: number, size: number): ResamplingTable {
  const positionOf = (i: number) => (i * length) / size + 0.5; // in an image with one more pixel at the start
  return tableOf({ length, size, before: 2, positionOf, kernelAt: (part) => cut(spline(part / positions), 1) });
}

interface Resampling {
  readonly length: number;
  readonly size: number;
  /** Inputs with a weight before the one at the position. */
  readonly before: number;
  readonly positionOf: (output: number) => number;
  /** The weights for a position that is so many 64ths after a pixel. */
  readonly kernelAt: (part: number) => Kernel;
}

function tableOf({ length, size, before, positionOf, kernelAt }: Resampling): ResamplingTable {
  const kernels: (Kernel | undefined)[] = new Array(positions + 1);
  const starts = new Int32Array(size);
  const chosen: Kernel[] = [];
  let most = 1;
  for (let i = 0; i < size; i++) {
    const position = positionOf(i);
    const part = ((Math.trunc(2 * positions * position) & (2 * positions - 1)) + 1) >> 1;
    const kernel = (kernels[part] ??= kernelAt(part));
    starts[i] = Math.trunc(position) - before + kernel.zeros;
    most = Math.max(most, kernel.weights.length);
    chosen.push(kernel);
  }
  const pairs = 2 * Math.ceil(most / 4);
  const words = new Int32Array(size * (1 + pairs));
  const halves = new Int16Array(words.buffer);
  for (let i = 0; i < size; i++) {
    const at = i * (1 + pairs);
    const { weights } = chosen[i];
    const first = (words[at] = Math.max(0, Math.min(length - 1, starts[i])));
    for (let k = 0; k < weights.length; k++) {
      // Beyond its edges the photo continues with the pixels at the edges.
      const input = Math.max(first, Math.min(length - 1, starts[i] + k));
      halves[2 * (at + 1) + input - first] += weights[k];
    }
  }
  return { words, pairs };
}

/** Weights in binary digits. */
interface Kernel {
  /** Number of zeros that were cut off at the start. */
  readonly zeros: number;
  readonly weights: readonly number[];
}

function cut(weights: readonly number[], sum: number): Kernel {
  const binary: number[] = [];
  let [zeros, end] = [0, 0];
  for (const weight of weights) {
    const digits = Math.trunc((weight / sum) * 2 ** fraction);
    if (digits === 0 && binary.length === 0) zeros++;
    else binary.push(digits);
    if (digits !== 0) end = binary.length;
  }
  binary.length = end;
  return { zeros, weights: binary };
}

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= lobes) return 0;
  const angle = Math.PI * x;
  return (lobes * Math.sin(angle) * Math.sin(angle / lobes)) / (angle * angle);
}

/** The spline of Catmull and Rom: weights of the four pixels around a position between the middle two. */
function spline(x: number): number[] {
  const outer = -0.5 * x * (1 - x);
  const [first, last] = [(1 - x) * outer, x * outer];
  return [first, 1 - x - 2 * first + last, x - 2 * last + first, last];
}
