import { getFloat16, setFloat16 } from '@petamoriken/float16';
import { CaptionerError } from '../../errors.js';

/**
 * Storage format of numbers: fp32 as computed, or fp16 in half the space with three decimal digits.
 */
export const precisions = ['fp32', 'fp16'] as const;
export type Precision = (typeof precisions)[number];

const bytesPerNumber: Record<Precision, number> = { fp32: 4, fp16: 2 };

/** Bytes of a row of `dimension` numbers. */
export function rowBytes(precision: Precision, dimension: number): number {
  return bytesPerNumber[precision] * dimension;
}

/**
 * Encodes numbers as the bytes of rows, little-endian.
 * @throws CaptionerError `numeric` if a number is NaN or infinite, or overflows fp16 (beyond
 *   65,504).
 */
export function encodeRows(values: Float32Array, precision: Precision): Buffer {
  const bytes = Buffer.allocUnsafe(bytesPerNumber[precision] * values.length);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    // 65,520 is the first number that rounds to infinity.
    if (!Number.isFinite(value) || (precision === 'fp16' && Math.abs(value) >= 65520)) {
      throw new CaptionerError(
        'numeric',
        Number.isFinite(value)
          ? `The feature ${value} is too large for fp16. Extract with --storage fp32.`
          : 'The encoder gave a feature that is not a finite number.',
      );
    }
    if (precision === 'fp32') view.setFloat32(4 * i, value, true);
    else setFloat16(view, 2 * i, value, true);
  }
  return bytes;
}

/** Decodes the bytes of a row into `into`, from `offset` on. */
export function decodeRow(
  bytes: Uint8Array,
  precision: Precision,
  into: Float32Array,
  offset: number,
  dimension: number,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (precision === 'fp32') {
    for (let i = 0; i < dimension; i++) into[offset + i] = view.getFloat32(4 * i, true);
  } else {
    const table = halfTable();
    for (let i = 0; i < dimension; i++) into[offset + i] = table[view.getUint16(2 * i, true)];
  }
}

let table: Float32Array | undefined;

/**
 * Every fp16 number, indexed by its bits: a look-up is about twenty times faster than a conversion.
 */
function halfTable(): Float32Array {
  if (!table) {
    const view = new DataView(new ArrayBuffer(2));
    table = Float32Array.from({ length: 65536 }, (_, bits) => {
      view.setUint16(0, bits);
      return getFloat16(view, 0);
    });
  }
  return table;
}
