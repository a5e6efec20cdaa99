import { Float16Array } from '@petamoriken/float16';
import { CaptionerError } from '../errors.js';
import { concatBytes, utf8 } from './bytes.js';
import { checksumOf } from './crc32.js';
import { dequantizeColumns, quantizeColumns } from './int8.js';

/**
 * The safetensors file format (https://github.com/huggingface/safetensors#format): the length of a
 * JSON header as a little-endian 64-bit integer, the header, and the tensors' bytes, little-endian
 * and row-major, without gaps.
 *
 * Files written here have a CRC-32 of the rest of the header and the tensor bytes in the header's
 * `__metadata__`. Files from elsewhere need not have one. Matrices in 8 bits (I8) have the scales of
 * their columns beside them: `kernel` [R, C] and `kernel/scale` [C].
 */

/** One array, `data` row-major in `shape`. */
export interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** The bytes of the numbers in fp16, if they are stored so. */
  readonly half?: Uint8Array;
}

/** An array stored in fp16. Its numbers are converted when they are first read: ONNX Runtime converts them faster. */
class HalfWeight implements Weight {
  private floats?: Float32Array;

  constructor(
    readonly shape: readonly number[],
    readonly half: Uint8Array,
  ) {}

  get data(): Float32Array {
    return (this.floats ??= floatsOfHalves(this.half));
  }
}

/** Arrays by name. */
export type Weights = ReadonlyMap<string, Weight>;

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [begin: number, end: number];
}

/** Number format of stored weights. */
export type Storage = 'fp32' | 'fp16' | 'int8';

const bytesPerNumber: Readonly<Record<string, number>> = { F32: 4, F16: 2, I8: 1 };

const scaleOf = (name: string) => `${name}/scale`;

/** An array as stored. */
interface StoredArray {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Float32Array | Float16Array | Int8Array;
}

/**
 * Encodes arrays in the safetensors format, as chunks to be written one after the other. Does not
 * copy fp32 arrays.
 *
 * @param storage int8 is for matrices, with a scale for each column; vectors stay in fp32.
 * @param metadata short texts for the header's `__metadata__`.
 * @throws CaptionerError `numeric` for a number too large for fp16.
 */
export function safetensorsParts(
  weights: Weights,
  storage: Storage = 'fp32',
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array[] {
  const stored = [...weights].flatMap(([name, weight]) => storedArrays(name, weight, storage));
  // Arrays of wider numbers come first, so that all are aligned.
  stored.sort(([, a], [, b]) => bytesPerNumber[b.dtype] - bytesPerNumber[a.dtype]);
  const arrays = stored.map(([, { data }]) => new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  const header: Record<string, unknown> = { __metadata__: { format: 'captioner', ...metadata } };
  let end = 0;
  for (const [name, { dtype, shape, data }] of stored) {
    const begin = end;
    end += data.byteLength;
    header[name] = { dtype, shape, data_offsets: [begin, end] };
  }
  const described = utf8(JSON.stringify(header));
  header.__metadata__ = { ...(header.__metadata__ as object), crc32: checksumOf([described, ...arrays]) };
  const json = utf8(JSON.stringify(header));
  const padding = utf8(' '.repeat(-json.length & 7)); // aligns the arrays to 8 bytes
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, BigInt(json.length + padding.length), true);
  return [length, json, padding, ...arrays];
}

/** `safetensorsParts` in one piece. */
export function encodeSafetensors(...args: Parameters<typeof safetensorsParts>): Uint8Array {
  return concatBytes(safetensorsParts(...args));
}

/** The arrays that a file has for one. */
function storedArrays(name: string, { shape, data }: Weight, storage: Storage): [string, StoredArray][] {
  if (storage === 'fp16') return [[name, { dtype: 'F16', shape, data: toHalf(data, name) }]];
  if (storage === 'fp32' || shape.length !== 2 || Math.min(...shape) < 2)
    return [[name, { dtype: 'F32', shape, data }]];
  const { bytes, scales } = quantizeColumns(data, shape[1]);
  return [
    [name, { dtype: 'I8', shape, data: bytes }],
    [scaleOf(name), { dtype: 'F32', shape: [shape[1]], data: scales }],
  ];
}

/**
 * Decodes arrays in the safetensors format. fp16 and int8 become Float32.
 *
 * @param source file name for error messages.
 * @throws CaptionerError `corrupt` for bytes that are not a complete safetensors file;
 * `unsupported` for types other than F32, F16 and I8.
 */
export function decodeSafetensors(
  bytes: Uint8Array,
  source: string,
): { weights: Weights; metadata: Readonly<Record<string, string>> } {
  const fault = (what: string) =>
    new CaptionerError('corrupt', `${source} is damaged or not a safetensors file: ${what}. Copy or train it again.`);
  if (bytes.length < 8) throw fault(`it has ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  if (length > bytes.length - 8) throw fault(`its header should have ${length} bytes, the file has ${bytes.length}`);
  const { __metadata__: metadata = {}, ...entries } = parseHeader(bytes.subarray(8, 8 + length), fault);
  const body = bytes.subarray(8 + length);
  const weights = new Map<string, Weight>();
  const bytesOf8Bits = new Map<string, Int8Array>();
  let expected = 0;
  const inOrder = Object.entries(entries as Record<string, Entry>).sort(
    ([, a], [, b]) => (a.data_offsets?.[0] ?? 0) - (b.data_offsets?.[0] ?? 0),
  );
  for (const [name, entry] of inOrder) {
    checkEntry(name, entry, expected, fault, source);
    const [begin, end] = entry.data_offsets;
    if (end > body.length) throw fault(`'${name}' is truncated`);
    const stored = body.subarray(begin, end);
    if (entry.dtype === 'I8') bytesOf8Bits.set(name, new Int8Array(stored.buffer, stored.byteOffset, stored.length));
    weights.set(name, readArray(entry, stored));
    expected = end;
  }
  if (expected !== body.length) throw fault(`${body.length - expected} bytes follow its last array`);
  const { crc32: checksum, ...others } = metadata as Record<string, unknown>;
  const described = utf8(JSON.stringify({ __metadata__: others, ...entries }));
  if (checksum !== undefined && checksum !== checksumOf([described, body])) {
    throw fault('its content does not match its checksum');
  }
  for (const [name, quantized] of bytesOf8Bits) {
    const { shape } = weights.get(name)!;
    const scales = weights.get(scaleOf(name))?.data;
    if (shape.length !== 2 || scales?.length !== shape[1]) throw fault(`'${name}' has no scale for each column`);
    weights.set(name, { shape, data: dequantizeColumns({ bytes: quantized, scales }) });
    weights.delete(scaleOf(name));
  }
  return { weights, metadata: metadata as Record<string, string> };
}

type Fault = (what: string) => CaptionerError;

function parseHeader(bytes: Uint8Array, fault: Fault): Record<string, unknown> {
  let header: unknown;
  try {
    header = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    throw fault('its header is not JSON');
  }
  if (typeof header !== 'object' || header === null || Array.isArray(header))
    throw fault('its header is not an object');
  return header as Record<string, unknown>;
}

function checkEntry(name: string, entry: Entry, begin: number, fault: Fault, source: string): void {
  const { dtype, shape, data_offsets: offsets } = entry ?? {};
  const natural = (x: unknown) => Number.isSafeInteger(x) && (x as number) >= 0;
  if (typeof dtype !== 'string') throw fault(`'${name}' has no dtype`);
  if (!Array.isArray(shape) || !shape.every(natural)) throw fault(`'${name}' has no shape`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(natural))
    throw fault(`'${name}' has no data_offsets`);
  const size = bytesPerNumber[dtype];
  if (!size) {
    throw new CaptionerError(
      'unsupported',
      `In ${source}, '${name}' has type ${dtype}. Only F32, F16 and I8 are supported.`,
    );
  }
  if (offsets[0] !== begin) throw fault(`'${name}' starts at byte ${offsets[0]}, not where the one before ends`);
  const wanted = shape.reduce((product: number, n: number) => product * n, size);
  if (offsets[1] - offsets[0] !== wanted) {
    throw fault(`'${name}' of shape [${shape.join(', ')}] needs ${wanted} bytes, but has ${offsets[1] - offsets[0]}`);
  }
}

function readArray({ dtype, shape }: Entry, bytes: Uint8Array): Weight {
  if (dtype === 'F16') return new HalfWeight(shape, bytes);
  if (dtype === 'I8') return { shape, data: new Float32Array(0) }; // filled in once its scales are known
  const { buffer, byteOffset, length } = aligned(bytes, 4);
  return { shape, data: new Float32Array(buffer, byteOffset, length / 4) };
}

/** Typed arrays need aligned offsets; a copy is aligned. */
function aligned(bytes: Uint8Array, bytesPerNumber: number): Uint8Array {
  return bytes.byteOffset % bytesPerNumber === 0 ? bytes : new Uint8Array(bytes);
}

function floatsOfHalves(bytes: Uint8Array): Float32Array {
  const { buffer, byteOffset, length } = aligned(bytes, 2);
  const halves = new Uint16Array(buffer, byteOffset, length / 2);
  const table = halfTable();
  const numbers = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) numbers[i] = table[halves[i]];
  return numbers;
}

let table: Float32Array | undefined;

/** Values of all 65,536 half floats. A lookup is much faster than a conversion. */
function halfTable(): Float32Array {
  if (table) return table;
  table = new Float32Array(65536);
  for (let bits = 0; bits < 32768; bits++) {
    const [exponent, fraction] = [bits >> 10, bits & 1023];
    const value = exponent === 0 ? fraction * 2 ** -24 : (1 + fraction / 1024) * 2 ** (exponent - 15);
    table[bits] = exponent < 31 ? value : fraction === 0 ? Infinity : NaN;
    table[bits + 32768] = -table[bits];
  }
  return table;
}

function toHalf(data: Float32Array, name: string): Float16Array {
  const halves = new Float16Array(data);
  const bad = halves.findIndex((x, i) => !Number.isFinite(x) && Number.isFinite(data[i]));
  if (bad >= 0) {
    throw new CaptionerError(
      'numeric',
      `'${name}' contains ${data[bad]}, which exceeds the maximum of fp16 (65504). Store the checkpoint as fp32.`,
    );
  }
  return halves;
}
