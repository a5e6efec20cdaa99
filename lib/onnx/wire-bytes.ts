import { CaptionerError } from '../errors.js';

/** A 64-bit integer. It is a bigint beyond 2^53. */
export type Int64 = number | bigint;

/** Wire types. */
export const [varint, eight, delimited, four] = [0, 1, 2, 5] as const;

/** The error for bytes that are not a message. */
export const malformed = () => new CaptionerError('corrupt', 'its fields are malformed');

/** A bigint as a number, if no digit is lost. */
export const narrow = (value: Int64): Int64 =>
  typeof value === 'number' || Number.isSafeInteger(Number(value)) ? Number(value) : value;

/** A place in bytes that are read. */
export class Reader {
  at = 0;
  private readonly data: DataView;

  constructor(private readonly bytes: Uint8Array) {
    this.data = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** An unsigned integer: a number below 2^49, else a bigint. */
  varint(): Int64 {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.byte();
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
    let large = BigInt(value);
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.byte();
      large |= BigInt(byte & 127) << shift;
      if (byte < 128) return BigInt.asUintN(64, large);
    }
    throw malformed();
  }

  signed(): Int64 {
    const value = this.varint();
    return typeof value === 'number' ? value : narrow(BigInt.asIntN(64, value));
  }

  /** A signed integer of 32 bits, whether or not its writer extended it to 64. */
  int32(): number {
    const value = this.signed();
    return typeof value === 'number' ? value | 0 : Number(BigInt.asIntN(32, value));
  }

  /** A tag or a length. */
  length(): number {
    const value = this.varint();
    if (value > 2 ** 32) throw malformed();
    return Number(value);
  }

  /** Reads a length. Returns the end of what has that length. */
  end(): number {
    const length = this.length();
    return this.past(length);
  }

  view(): Uint8Array {
    const end = this.end();
    const view = this.bytes.subarray(this.at, end);
    this.at = end;
    return view;
  }

  text(): string {
    return decoder.decode(this.view());
  }

  float(): number {
    this.at = this.past(4);
    return this.data.getFloat32(this.at - 4, true);
  }

  double(): number {
    this.at = this.past(8);
    return this.data.getFloat64(this.at - 8, true);
  }

  skip(wire: number): void {
    if (wire === varint) this.varint();
    else if (wire === eight) this.at = this.past(8);
    else if (wire === four) this.at = this.past(4);
    else if (wire === delimited) this.at = this.end();
    else throw malformed();
  }

  private byte(): number {
    this.past(1);
    return this.bytes[this.at++];
  }

  private past(length: number): number {
    const end = this.at + length;
    if (end > this.bytes.length) throw new CaptionerError('corrupt', `it ends at byte ${this.bytes.length}`);
    return end;
  }
}

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Bytes that are written, of a known length. */
export class Writer {
  readonly bytes: Uint8Array;
  private readonly data: DataView;
  private at = 0;
  private size = 0;

  /** @param sizes lengths in the order of writing. */
  constructor(
    length: number,
    private readonly sizes: readonly number[],
  ) {
    this.bytes = new Uint8Array(length);
    this.data = new DataView(this.bytes.buffer);
  }

  nextSize(): number {
    return this.sizes[this.size++];
  }

  varint(value: Int64): void {
    let rest = value;
    if (rest < 0 || rest > Number.MAX_SAFE_INTEGER) {
      let large = BigInt.asUintN(64, BigInt(rest));
      for (; large > 127n; large >>= 7n) this.bytes[this.at++] = Number(large & 127n) | 128;
      rest = large;
    }
    let left = Number(rest);
    for (; left > 127; left = Math.floor(left / 128)) this.bytes[this.at++] = (left % 128) | 128;
    this.bytes[this.at++] = left;
  }

  float(value: number): void {
    this.data.setFloat32(this.at, value, true);
    this.at += 4;
  }

  double(value: number): void {
    this.data.setFloat64(this.at, value, true);
    this.at += 8;
  }

  view(value: Uint8Array): void {
    this.varint(value.length);
    this.bytes.set(value, this.at);
    this.at += value.length;
  }

  text(value: string, size: number): void {
    encoder.encodeInto(value, this.bytes.subarray(this.at, this.at + size));
    this.at += size;
  }
}

/** The length of something and of its length before it. */
export const prefixed = (size: number): number => sizeOfVarint(size) + size;

/** The length of an integer in bytes. */
export function sizeOfVarint(value: Int64): number {
  if (value < 0) return 10;
  let size = 1;
  if (typeof value === 'bigint') for (let rest = value; rest > 127n; rest >>= 7n) size++;
  else for (let rest = value; rest > 127; rest = Math.floor(rest / 128)) size++;
  return size;
}

/** The length of a text in UTF-8. */
export function sizeOfText(text: string): number {
  let size = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit < 128) continue;
    const isPair = unit >= 0xd800 && unit < 0xdc00 && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00;
    // The two halves of a pair together take four bytes; everything else from U+0800 on takes three.
    size += unit < 0x800 ? 1 : 2;
    if (isPair) i++;
  }
  return size;
}
