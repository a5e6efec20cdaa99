import { I32, unsigned, V128, type Code, type WasmFunction } from './module.js';

/** A variable of a function, by its index. The first ones are its parameters. */
export type Local = number;

/** Writes a function whose parameters are addresses and counts. */
export class FunctionWriter {
  private readonly locals: number[] = [];
  private readonly body: number[] = [];

  constructor(private readonly parameters: number) {}

  /** New variables for 32-bit numbers. */
  numbers(count: number): Local[] {
    return this.variables(count, I32);
  }

  /** New variables for vectors of 128 bits. */
  vectors(count: number): Local[] {
    return this.variables(count, V128);
  }

  private variables(count: number, type: number): Local[] {
    return Array.from({ length: count }, () => this.parameters + this.locals.push(type) - 1);
  }

  run(code: Code): void {
    this.body.push(...code);
  }

  set(local: Local, value: Code): void {
    this.run([...value, 0x21, ...unsigned(local)]);
  }

  /** Adds to a variable. */
  advance(local: Local, by: Code): void {
    this.set(local, add(get(local), by));
  }

  /** Runs a body once, then again as long as a counter, which grows by `step` each time, is less than `end`. */
  count(counter: Local, step: number, end: Local, body: () => void): void {
    this.run([0x03, 0x40]); // loop
    body();
    this.advance(counter, constant(step));
    this.run([...get(counter), ...get(end), 0x49, 0x0d, 0x00, 0x0b]); // br_if counter < end, end of loop
  }

  /** The function, with the name by which its module exports it. */
  named(name: string): WasmFunction {
    const { locals, body } = this;
    return { name, parameters: Array.from({ length: this.parameters }, () => I32), locals, body };
  }
}

const vectorOp = (op: number): Code => [0xfd, ...unsigned(op)];
const memory = (offset: number): Code => [0x00, ...unsigned(offset)];
const unary =
  (op: Code) =>
  (a: Code): Code => [...a, ...op];
const binary =
  (op: Code) =>
  (a: Code, b: Code): Code => [...a, ...b, ...op];

export const get = (local: Local): Code => [0x20, ...unsigned(local)];
/** A natural number. In signed LEB128, which it is written in, bit 6 of the last byte is the sign. */
export const constant = (n: number): Code => [0x41, ...signed(n)];
const signed = (n: number): Code => (n < 64 ? [n] : [(n & 127) | 128, ...signed(n >>> 7)]);
export const add = binary([0x6a]);
export const multiply = binary([0x6c]);
export const shiftRight = binary([0x76]);
export const load = (address: Code, offset = 0): Code => [...address, 0x28, ...memory(offset)];

/** Instructions for vectors of 128 bits. */
export const vector = {
  load: (address: Code, offset = 0): Code => [...address, ...vectorOp(0x00), ...memory(offset)],
  /** A 32-bit number in memory, four times. */
  loadSplat32: (address: Code, offset = 0): Code => [...address, ...vectorOp(0x09), ...memory(offset)],
  store: (address: Code, value: Code): Code => [...address, ...value, ...vectorOp(0x0b), ...memory(0)],
  /** Stores the first 4 bytes. */
  store32: (address: Code, value: Code): Code => [...address, ...value, ...vectorOp(0x5a), ...memory(0), 0],
  /** Stores the first 8 bytes. */
  store64: (address: Code, value: Code): Code => [...address, ...value, ...vectorOp(0x5b), ...memory(0), 0],
  /** Bytes of two vectors by their places: 0 to 15 in the first, 16 to 31 in the second. */
  shuffle: (a: Code, b: Code, places: Code): Code => [...a, ...b, ...vectorOp(0x0d), ...places],
  /** Bytes of a vector by their places; 0 for a place outside it. */
  pick: (a: Code, places: Code): Code => [...a, ...vectorOp(0x0c), ...places, ...vectorOp(0x0e)],
  splat32: unary(vectorOp(0x11)),
  add32: binary(vectorOp(0xae)),
  /** Shifts signed 32-bit numbers. */
  shiftRight32: binary(vectorOp(0xac)),
  /** Products of signed 16-bit numbers, each added to its neighbour's: four 32-bit numbers. */
  dot16: binary(vectorOp(0xba)),
  /** Two vectors of signed 32-bit numbers as one of 16-bit numbers, saturated. */
  narrow32: binary(vectorOp(0x85)),
  /** Two vectors of signed 16-bit numbers as one of bytes, saturated. */
  narrowToBytes: binary(vectorOp(0x66)),
  /** The first 8 bytes as 16-bit numbers. */
  widenLow: unary(vectorOp(0x89)),
  /** The last 8 bytes as 16-bit numbers. */
  widenHigh: unary(vectorOp(0x8a)),
};
