import { inspect } from 'node:util';
import { display } from '../lib/viz/display.js';
import { Table } from '../lib/viz/table.js';

/** An output by MIME type: text, or base64 of bytes. */
export type MimeBundle = Readonly<Record<string, string>>;

/** Notes about an output by MIME type: width and height of a picture, say. */
export type OutputMetadata = Readonly<Record<string, unknown>>;

/** An output and notes about it. */
export interface DisplayData {
  readonly data: MimeBundle;
  readonly metadata?: OutputMetadata;
}

/** Most numbers of a tensor that are shown. */
const mostNumbers = 1000;

/** The value of a cell's last expression as an output: figures as figures, tensors and data frames with their numbers, other values as Node prints them. */
export async function displayOf(value: unknown): Promise<DisplayData> {
  const show = (value as Record<symbol, unknown> | null)?.[display];
  if (typeof show === 'function') return (show as () => Promise<DisplayData>).call(value);
  if (isFrame(value)) return displayFrame(value);
  if (isTensor(value)) return { data: { 'text/plain': await tensorText(value) } };
  return text(value);
}

function text(value: unknown): DisplayData {
  return { data: { 'text/plain': inspect(value, { depth: 4, maxArrayLength: 40, breakLength: 100 }) } };
}

/** A DataFrame or Series of danfojs. */
interface Frame {
  readonly columns: readonly string[];
  readonly index: readonly (string | number)[];
  readonly values: readonly unknown[];
}

function isFrame(value: unknown): value is Frame {
  const { columns, index, values, constructor } = (value ?? {}) as Partial<Frame> & { constructor?: { name?: string } };
  return /^(DataFrame|Series)$/.test(constructor?.name ?? '') && [columns, index, values].every(Array.isArray);
}

function displayFrame({ columns, index, values }: Frame): Promise<DisplayData> {
  const rows = values.map((row, i) => [index[i], ...(Array.isArray(row) ? (row as unknown[]) : [row])]);
  const table = new Table({ columns: ['', ...columns.map(String)], values: rows });
  return table[display]();
}

/** A tensor of TensorFlow.js. */
interface Tensor {
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly size: number;
  readonly isDisposed: boolean;
  data(): Promise<ArrayLike<number | string>>;
}

function isTensor(value: unknown): value is Tensor {
  const { shape, dtype, isDisposed, data } = (value ?? {}) as Partial<Tensor>;
  return Array.isArray(shape) && typeof dtype === 'string' && isDisposed !== undefined && typeof data === 'function';
}

async function tensorText(tensor: Tensor): Promise<string> {
  const { shape, dtype, size } = tensor;
  const head = `Tensor [${shape.join(', ')}] ${dtype}`;
  if (tensor.isDisposed) return `${head}, disposed`;
  if (size > mostNumbers) return `${head}, ${size.toLocaleString('en')} numbers`;
  const numbers = Array.from(await tensor.data(), (value) =>
    typeof value === 'number' && dtype === 'float32' ? Number(value.toPrecision(5)) : value,
  );
  return `${head}\n${inspect(nested(numbers, shape), { depth: 8, maxArrayLength: mostNumbers, breakLength: 100 })}`;
}

function nested(numbers: readonly unknown[], shape: readonly number[]): unknown {
  if (shape.length === 0) return numbers[0];
  if (shape.length === 1) return numbers;
  const [rows, ...rest] = shape;
  const size = numbers.length / rows;
  return Array.from({ length: rows }, (_, row) => nested(numbers.slice(row * size, (row + 1) * size), rest));
}
