import { instantiate, type Code } from '../wasm/module.js';
import {
  add,
  constant,
  FunctionWriter,
  get,
  load,
  multiply,
  shiftRight,
  vector,
  type Local,
} from '../wasm/instructions.js';
import { fraction } from './resampling.js';

/**
 * Weighted sums of rows and of RGB pixels as WebAssembly, with 16-bit weights and 32-bit sums. All
 * arguments are addresses in the kernel's memory, and counts. `stride` is the bytes of a row of the
 * input.
 *
 * A table has a 32-bit word for each output, the number of its first input, followed by `pairs`
 * words with two weights each. Up to 16 bytes more are read and written than asked for, and inputs
 * whose weights are 0 are read as well.
 */
export interface ResizeKernel {
  /** Sums of rows of bytes, rounded to bytes. */
  rows(from: number, stride: number, to: number, outputs: number, table: number, pairs: number): void;
  /** Sums of the pixels of each row, rounded to bytes. `pairs` is even. */
  columns(from: number, stride: number, to: number, outputs: number, table: number, pairs: number, rows: number): void;
  /** As `columns`, but rounded to 16-bit integers. */
  wideColumns: ResizeKernel['columns'];
  /** As `rows`, but of rows of 16-bit integers. */
  wideRows: ResizeKernel['rows'];
}

/** The kernel in a memory, or undefined if WebAssembly has no vector instructions here. */
export function resizeKernel(memory: WebAssembly.Memory): ResizeKernel | undefined {
  const functions = [
    rowSums(bytesOfRows).named('rows'),
    rowSums(wideOfRows).named('wideRows'),
    columnSums(false).named('columns'),
    columnSums(true).named('wideColumns'),
  ];
  return instantiate<ResizeKernel>(functions, memory);
}

const half = vector.splat32(constant(1 << (fraction - 1)));
const rounded = (sum: Local): Code => vector.shiftRight32(get(sum), constant(fraction));
/** Bytes of an entry of a table. */
const entry = (pairs: Local): Code => add(constant(4), multiply(get(pairs), constant(4)));

/** The way from a block of 16 bytes of two rows to pairs of 16-bit integers, and from their sums to memory. */
interface Block {
  /** The pairs of two blocks, four to a vector. */
  readonly pairs: (a: Local, b: Local) => Code[];
  /** Stores the sums, one vector for each of the pairs'. */
  readonly store: (to: Code, sums: readonly Local[]) => Code;
  /** Bytes of the results. */
  readonly bytes: number;
}

const evenly = (width: number, first: number): number[] =>
  Array.from({ length: 16 }, (_, i) => {
    const element = Math.floor(i / width);
    return first + (element >> 1) * width + (i % width) + 16 * (element & 1);
  });

const bytesOfRows: Block = {
  pairs: (a, b) =>
    [0, 8].flatMap((first) => {
      const both = vector.shuffle(get(a), get(b), evenly(1, first));
      return [vector.widenLow(both), vector.widenHigh(both)];
    }),
  store: (to, [a, b, c, d]) => {
    const narrow = (x: Local, y: Local) => vector.narrow32(rounded(x), rounded(y));
    return vector.store(to, vector.narrowToBytes(narrow(a, b), narrow(c, d)));
  },
  bytes: 16,
};

const wideOfRows: Block = {
  pairs: (a, b) => [0, 8].map((first) => vector.shuffle(get(a), get(b), evenly(2, first))),
  store: (to, [a, b]) => {
    const narrow = vector.narrow32(rounded(a), rounded(b));
    return vector.store64(to, vector.narrowToBytes(narrow, narrow));
  },
  bytes: 8,
};

function rowSums({ pairs: pairsOf, store, bytes }: Block): FunctionWriter {
  const [from, stride, to, outputs, table, pairs] = [0, 1, 2, 3, 4, 5];
  const f = new FunctionWriter(6);
  const [output, x, at, weights, pair, target] = f.numbers(6);
  const [a, b, weight] = f.vectors(3);
  const sums = f.vectors(pairsOf(a, b).length);
  f.set(output, constant(0));
  f.count(output, 1, outputs, () => {
    f.set(x, constant(0));
    f.set(target, get(to));
    f.count(x, 16, stride, () => {
      f.set(at, add(add(get(from), get(x)), multiply(load(get(table)), get(stride))));
      f.set(weights, get(table));
      for (const sum of sums) f.set(sum, half);
      f.set(pair, constant(0));
      f.count(pair, 1, pairs, () => {
        f.set(weight, vector.loadSplat32(get(weights), 4));
        f.set(a, vector.load(get(at)));
        f.set(b, vector.load(add(get(at), get(stride))));
        for (const [i, values] of pairsOf(a, b).entries()) {
          f.set(sums[i], vector.add32(get(sums[i]), vector.dot16(values, get(weight))));
        }
        f.advance(at, add(get(stride), get(stride)));
        f.advance(weights, constant(4));
      });
      f.run(store(get(target), sums));
      f.advance(target, constant(bytes));
    });
    f.advance(to, bytes === 16 ? get(stride) : shiftRight(get(stride), constant(1)));
    f.advance(table, entry(pairs));
  });
  return f;
}

/** Two neighbouring RGB pixels of a vector as pairs of 16-bit integers: red and red, green and green, blue and blue. */
const pixelPair = (first: number): number[] =>
  [0, 3, 1, 4, 2, 5].flatMap((place) => [first + place, zero]).concat([zero, zero, zero, zero]);
/** A place outside a vector. */
const zero = 128;

function columnSums(wide: boolean): FunctionWriter {
  const [from, stride, to, outputs, table, pairs, rows] = [0, 1, 2, 3, 4, 5, 6];
  const f = new FunctionWriter(7);
  const [row, output, at, weights, pair] = f.numbers(5);
  const [pixels, sum] = f.vectors(2);
  f.set(row, constant(0));
  f.count(row, 1, rows, () => {
    f.set(weights, get(table));
    f.set(output, constant(0));
    f.count(output, 1, outputs, () => {
      f.set(at, add(get(from), multiply(load(get(weights)), constant(3))));
      f.set(sum, half);
      f.set(pair, constant(0));
      f.count(pair, 2, pairs, () => {
        f.set(pixels, vector.load(get(at)));
        for (const i of [0, 1]) {
          const products = vector.dot16(
            vector.pick(get(pixels), pixelPair(6 * i)),
            vector.loadSplat32(get(weights), 4 + 4 * i),
          );
          f.set(sum, vector.add32(get(sum), products));
        }
        f.advance(at, constant(12));
        f.advance(weights, constant(8));
      });
      f.advance(weights, constant(4));
      const narrow = vector.narrow32(rounded(sum), rounded(sum));
      f.run(wide ? vector.store64(get(to), narrow) : vector.store32(get(to), vector.narrowToBytes(narrow, narrow)));
      f.advance(to, constant(wide ? 6 : 3));
    });
    f.advance(from, get(stride));
  });
  return f;
}
