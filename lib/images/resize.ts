import { enlargingTable, reducingTable, type ResamplingTable } from './resampling.js';
import { resizeKernel, type ResizeKernel } from './resize-kernel.js';

/** RGB pixels, [height, width, 3]. */
export interface RgbImage {
  readonly data: Uint8Array;
  readonly width: number;
  readonly height: number;
}

/** A part of an image, in pixels. */
export interface ImagePart {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

/** Factor at which libvips begins to take means of pixels before it resizes. */
const means = 4;

/** Whether {@link resizeRgb} takes an image of this size. */
export function canResize({ width, height }: Pick<RgbImage, 'width' | 'height'>, size: number): boolean {
  return Math.max(width, height) < means * size && workspace() !== undefined;
}

/**
 * Resizes an image, or a part of it, to a square without keeping its aspect ratio. The result is
 * that of sharp's `resize` with `fit: 'fill'`, in a fraction of the time: libvips sets up a pipeline
 * for each image.
 *
 * @param image an image that {@link canResize} takes.
 * @param size width and height of the square, in pixels.
 * @returns RGB bytes, [size, size, 3].
 */
export function resizeRgb(image: RgbImage, size: number, part: ImagePart = { left: 0, top: 0, ...image }): Uint8Array {
  const space = workspace()!;
  let { width, height } = part;
  space.clear(Math.max(width, size));
  let pixels = space.copy(image, part);
  const rows = height > size && tableFor('rows', height, size);
  if (rows) {
    pixels = space.rows('rows', pixels, 3 * width, rows, size);
    height = size;
  }
  const columns = width > size && tableFor('columns', width, size);
  if (columns) {
    pixels = space.columns('columns', pixels, 3 * width, columns, size, height);
    width = size;
  }
  if (width < size || height < size) {
    pixels = space.columns('wideColumns', pixels, 3 * width, tableFor('enlarge', width, size), size, height);
    pixels = space.rows('wideRows', pixels, 6 * size, tableFor('enlarge', height, size), size);
  }
  return space.read(pixels, 3 * size ** 2);
}

/** The kernel and its memory, in which one step's result follows the other's. */
class Workspace {
  private end = 0;
  private beyond = 0;

  constructor(
    private readonly memory: WebAssembly.Memory,
    private readonly kernel: ResizeKernel,
  ) {}

  /** @param side pixels of the widest row. */
  clear(side: number): void {
    this.end = 0;
    this.beyond = mostWeights * 6 * side; // of inputs without weight
  }

  /** Copies a part of an image. @returns its address, as all steps do. */
  copy({ data, width }: RgbImage, part: ImagePart): number {
    const row = 3 * part.width;
    const at = this.reserve(row * part.height);
    const bytes = new Uint8Array(this.memory.buffer);
    if (part.width === width) {
      bytes.set(data.subarray(row * part.top, row * (part.top + part.height)), at);
      return at;
    }
    for (let y = 0; y < part.height; y++) {
      const first = 3 * ((part.top + y) * width + part.left);
      bytes.set(data.subarray(first, first + row), at + y * row);
    }
    return at;
  }

  rows(step: 'rows' | 'wideRows', from: number, stride: number, weights: ResamplingTable, size: number): number {
    const table = this.write(weights);
    const to = this.reserve(stride * size);
    this.kernel[step](from, stride, to, size, table, weights.pairs);
    return to;
  }

  columns(
    step: 'columns' | 'wideColumns',
    from: number,
    stride: number,
    weights: ResamplingTable,
    size: number,
    height: number,
  ): number {
    const table = this.write(weights);
    const to = this.reserve(6 * size * height);
    this.kernel[step](from, stride, to, size, table, weights.pairs, height);
    return to;
  }

  read(at: number, bytes: number): Uint8Array {
    return new Uint8Array(this.memory.buffer).slice(at, at + bytes);
  }

  private write({ words }: ResamplingTable): number {
    const at = this.reserve(words.byteLength);
    new Int32Array(this.memory.buffer, at).set(words);
    return at;
  }

  private reserve(bytes: number): number {
    const at = this.end;
    this.end += (bytes + 31) & ~15;
    const missing = this.end + this.beyond - this.memory.buffer.byteLength;
    if (missing > 0) this.memory.grow(Math.ceil(missing / 2 ** 16));
    return at;
  }
}

/** Weights of an output at most: of three lobes on both sides, at a factor of {@link means}. */
const mostWeights = 2 * 3 * means + 8;

let shared: Workspace | false | undefined;

/** The workspace, or undefined if WebAssembly has no vector instructions here. */
function workspace(): Workspace | undefined {
  if (shared === undefined) {
    const memory = new WebAssembly.Memory({ initial: 16 });
    const kernel = resizeKernel(memory);
    shared = kernel ? new Workspace(memory, kernel) : false;
  }
  return shared || undefined;
}

const tables = new Map<string, ResamplingTable>();
/** Tables that are kept. */
const mostTables = 256;

function tableFor(kind: 'rows' | 'columns' | 'enlarge', length: number, size: number): ResamplingTable {
  const key = `${kind} ${length} ${size}`;
  let table = tables.get(key);
  if (!table) {
    if (tables.size === mostTables) tables.clear();
    table = kind === 'enlarge' ? enlargingTable(length, size) : reducingTable(length, size, kind);
    tables.set(key, table);
  }
  return table;
}
