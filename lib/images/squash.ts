/** Pixels of a photo, read a band of rows at a time, so that no large photo has to be in memory as a whole. */
export interface PixelSource {
  readonly width: number;
  readonly height: number;
  /** RGBA bytes of `count` rows from `first` on, [count, width, 4]. Transparency is ignored. */
  readRows(first: number, count: number): ArrayLike<number>;
}

/** Pixels that are read at a time: few photos are larger. */
const band = 2 ** 22;

/**
 * Squashes a photo to a square of RGB bytes, as `decodePhoto` does with libvips: a box filter by a
 * whole factor, as long as the photo stays more than twice as large as the square, then the Lanczos
 * kernel with three lobes, widened by the rest of the factor so that nothing aliases. Smaller photos
 * are enlarged with a cubic spline.
 *
 * @param size width and height of the square, in pixels.
 * @returns RGB bytes, [size, size, 3].
 */
export function squash(photo: PixelSource, size: number): Uint8Array {
  const { width, height } = photo;
  const [across, down] = [width, height].map((length) => Math.max(1, Math.floor(length / size / 2)));
  const [columns, rows] = [Math.ceil(width / across), Math.ceil(height / down)];
  // As in libvips, rows come first, and each of the passes rounds to bytes.
  const vertical = kernels(rows, size, height / down);
  const flat = new Float32Array(size * columns * 3); // [size, columns, 3]
  const together = Math.max(1, Math.floor(band / width / down));
  for (let first = 0; first < rows; first += together) {
    const count = Math.min(together, rows - first);
    const pixels = photo.readRows(first * down, Math.min(count * down, height - first * down));
    for (let row = 0; row < count; row++) {
      const last = Math.min((row + 1) * down, pixels.length / 4 / width);
      spread(boxRow(pixels, width, row * down, last, across), first + row, vertical, flat);
    }
  }
  const bytes = new Uint8ClampedArray(flat);
  const horizontal = kernels(columns, size, width / across);
  const square = new Uint8ClampedArray(size * size * 3);
  for (let row = 0; row < size; row++) {
    convolve(bytes.subarray(row * columns * 3, (row + 1) * columns * 3), horizontal, square.subarray(row * size * 3));
  }
  return new Uint8Array(square.buffer);
}

/** The mean of rows `from` to `to` of RGBA pixels over boxes `across` wide, [ceil(width / across), 3]. */
function boxRow(pixels: ArrayLike<number>, width: number, from: number, to: number, across: number): Uint8ClampedArray {
  const boxes = Math.ceil(width / across);
  const sums = new Float32Array(boxes * 3);
  for (let row = from; row < to; row++) {
    for (let column = 0, i = row * width * 4; column < width; column++, i += 4) {
      const box = across === 1 ? 3 * column : 3 * Math.floor(column / across);
      sums[box] += pixels[i];
      sums[box + 1] += pixels[i + 1];
      sums[box + 2] += pixels[i + 2];
    }
  }
  for (let box = 0; box < boxes; box++) {
    const area = (to - from) * (Math.min(width, (box + 1) * across) - box * across);
    for (let channel = 0; channel < 3; channel++) sums[3 * box + channel] /= area;
  }
  return new Uint8ClampedArray(sums);
}

/** Adds a row of the input to the outputs that take it: [length] to rows of [kernels, length]. */
function spread(row: Uint8ClampedArray, at: number, outputs: readonly Kernel[], into: Float32Array): void {
  outputs.forEach(({ first, weights }, output) => {
    const weight = weights[at - first];
    if (!weight) return;
    const to = output * row.length;
    for (let i = 0; i < row.length; i++) into[to + i] += weight * row[i];
  });
}

/** The part of the input that an output takes: its first element, and the weight of each from there on. */
interface Kernel {
  readonly first: number;
  readonly weights: Float32Array;
}

/**
 * A kernel for each of `size` outputs.
 * @param length elements of the input.
 * @param extent length of the input in terms of whole elements: the last one may be cut.
 */
function kernels(length: number, size: number, extent: number): Kernel[] {
  const step = extent / size;
  const enlarged = step < 1;
  const [kernel, scale, reach] = enlarged ? [cubic, 1, 2] : [lanczos, step, lobes * step];
  return Array.from({ length: size }, (_, i) => {
    // libvips enlarges from the left edge of a pixel, not from its middle.
    const centre = (enlarged ? i : i + 0.5) * step - 0.5;
    const first = Math.max(0, Math.ceil(centre - reach));
    const last = Math.max(first, Math.min(length - 1, Math.floor(centre + reach)));
    const weights = new Float32Array(last - first + 1);
    // Beyond its edges the photo continues with the pixels at the edges.
    for (let at = Math.ceil(centre - reach); at <= centre + reach; at++) {
      weights[Math.min(last, Math.max(first, at)) - first] += kernel((at - centre) / scale);
    }
    const sum = weights.reduce((total, weight) => total + weight, 0);
    return { first, weights: weights.map((weight) => weight / sum) };
  });
}

const lobes = 3;

function lanczos(x: number): number {
  if (x === 0) return 1;
  if (Math.abs(x) >= lobes) return 0;
  const angle = Math.PI * x;
  return (lobes * Math.sin(angle) * Math.sin(angle / lobes)) / angle ** 2;
}

/** The spline of Catmull and Rom. */
function cubic(x: number): number {
  const at = Math.abs(x);
  if (at >= 2) return 0;
  return at < 1 ? (1.5 * at - 2.5) * at ** 2 + 1 : ((-0.5 * at + 2.5) * at - 4) * at + 2;
}

/** Weighted sums of the pixels of a row: [length, 3] -> [kernels, 3]. */
function convolve(row: Uint8ClampedArray, outputs: readonly Kernel[], into: Uint8ClampedArray): void {
  outputs.forEach(({ first, weights }, output) => {
    let [red, green, blue] = [0, 0, 0];
    for (let k = 0, i = 3 * first; k < weights.length; k++, i += 3) {
      red += weights[k] * row[i];
      green += weights[k] * row[i + 1];
      blue += weights[k] * row[i + 2];
    }
    into[3 * output] = red;
    into[3 * output + 1] = green;
    into[3 * output + 2] = blue;
  });
}
