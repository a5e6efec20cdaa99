/** An array of 8-bit integers with a scale for each channel, which is a column of a matrix: w_rc ≈ bytes_rc scales_c. */
export interface QuantizedMatrix {
  /** In the shape of the array, from -127 to 127. */
  readonly bytes: Int8Array;
  /** [C] */
  readonly scales: Float32Array;
}

/**
 * Rounds a matrix to 8 bits. The greatest number of each column becomes ±127. A matrix that was
 * rounded before stays the same.
 * @param values [R, C] row-major.
 */
export function quantizeColumns(values: Float32Array, columns: number): QuantizedMatrix {
  return quantizeChannels(values, columns, 1);
}

/**
 * Rounds an array to 8 bits, with a scale for each index of one axis.
 * @param values [outer, channels, inner] row-major.
 */
export function quantizeChannels(values: Float32Array, channels: number, inner: number): QuantizedMatrix {
  const { length } = values;
  const scales = new Float32Array(channels).fill(127e-30); // avoids a scale of 0 for a channel of zeros
  // These loops delay the first caption in 8 bits. Math.max and Math.round would take twice as long.
  for (let i = 0; i < length;) {
    for (let c = 0; c < channels; c++) {
      const end = i + inner;
      do {
        const magnitude = Math.abs(values[i]);
        if (magnitude > scales[c] || Number.isNaN(magnitude)) scales[c] = magnitude;
      } while (++i < end);
    }
  }
  for (let c = 0; c < channels; c++) scales[c] /= 127;
  const bytes = new Int8Array(length);
  for (let i = 0; i < length;) {
    for (let c = 0; c < channels; c++) {
      const end = i + inner;
      do bytes[i] = Math.floor(values[i] / scales[c] + 0.5);
      while (++i < end);
    }
  }
  return { bytes, scales };
}

/** The matrix of floats, [R, C], that a quantised one stands for. */
export function dequantizeColumns({ bytes, scales }: QuantizedMatrix): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let i = 0, c = 0; i < values.length; i++, c = c + 1 === scales.length ? 0 : c + 1) {
    values[i] = bytes[i] * scales[c];
  }
  return values;
}
