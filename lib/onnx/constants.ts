import { Float16Array } from '@petamoriken/float16';
import { DataType, numbers, type Node, type Tensor } from './protobuf.js';
import type { GraphReader } from './graph-reader.js';

/** A constant of a graph: the same for every photo. */
export interface Constant {
  readonly shape: readonly number[];
  readonly data: Float32Array;
}

/**
 * Reads a floating-point constant as float32: an initializer or a Constant node of any precision,
 * or the result of Cast (weights stored in fp16), DequantizeLinear, or Cast and Mul (weights stored in
 * 8 bits), Identity or Transpose on one.
 *
 * @returns undefined if the value is not such a constant.
 */
export function floatConstant(graph: GraphReader, value: string): Constant | undefined {
  const tensor = graph.tensor(value);
  if (tensor) return floats(tensor);
  const node = graph.producer(value);
  const from = node && floatConstant(graph, node.input?.[0] ?? '');
  switch (node?.opType) {
    case 'Identity':
      return from;
    case 'Cast':
      return from ?? integers(graph.tensor(node.input?.[0] ?? ''));
    case 'Transpose': {
      const order = node.attribute?.find(({ name }) => name === 'perm')?.ints;
      return from && transposed(from, order ? numbers(order) : from.shape.map((_, i) => i).reverse());
    }
    case 'Mul':
      return from && scaled(from, floatConstant(graph, node.input?.[1] ?? ''));
    case 'DequantizeLinear':
      return dequantized(graph, node);
  }
  return undefined;
}

/** Permutes axes: axis i of the result is axis `order[i]`. */
export function transposed({ shape, data }: Constant, order: readonly number[]): Constant {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((a, b) => a * b, 1));
  const newShape = order.map((axis) => shape[axis]);
  const result = new Float32Array(data.length);
  const at = order.map(() => 0);
  let from = 0;
  for (let to = 0; to < result.length; to++) {
    result[to] = data[from];
    for (let i = order.length - 1; i >= 0; i--) {
      from += strides[order[i]];
      if (++at[i] < newShape[i]) break;
      from -= newShape[i] * strides[order[i]];
      at[i] = 0;
    }
  }
  return { shape: newShape, data: result };
}

/** A tensor of type float, float16 or double. Other types become float. */
export function storeFloats({ shape, data }: Constant, dataType: number = DataType.float): Tensor {
  const precision = { [DataType.float16]: Float16Array, [DataType.double]: Float64Array }[dataType];
  const { buffer, byteOffset, byteLength } = precision ? precision.from(data) : data;
  return {
    dims: [...shape],
    dataType: precision ? dataType : DataType.float,
    rawData: new Uint8Array(buffer, byteOffset, byteLength),
  };
}

function floats(tensor: Tensor): Constant | undefined {
  const { dataType, rawData, floatData = [], int32Data = [], doubleData = [] } = tensor;
  const shape = numbers(tensor.dims);
  // Typed arrays need aligned offsets; a copy is aligned.
  const buffer = rawData?.length ? new Uint8Array(rawData).buffer : undefined;
  switch (dataType) {
    case DataType.float:
      return { shape, data: buffer ? new Float32Array(buffer) : Float32Array.from(floatData) };
    case DataType.float16:
      return {
        shape,
        data: Float32Array.from(
          buffer ? new Float16Array(buffer) : new Float16Array(Uint16Array.from(int32Data).buffer),
        ),
      };
    case DataType.double:
      return { shape, data: Float32Array.from(buffer ? new Float64Array(buffer) : doubleData) };
  }
  return undefined;
}

/** 8-bit integers as floats. */
function integers(tensor: Tensor | undefined): Constant | undefined {
  const found = eightBits(tensor);
  return found && { shape: found.shape, data: Float32Array.from(found.values) };
}

/** A constant times a scale for each index of its first axis. */
function scaled({ shape, data }: Constant, scale: Constant | undefined): Constant | undefined {
  if (scale?.data.length !== shape[0] || scale.shape[0] !== shape[0]) return undefined;
  const each = data.length / shape[0];
  return { shape, data: data.map((x, i) => x * scale.data[Math.floor(i / each)]) };
}

/** (q - zero point) * scale, each a single number or one per index of an axis. */
function dequantized(graph: GraphReader, { input = [], attribute }: Node): Constant | undefined {
  const quantised = eightBits(graph.tensor(input[0]));
  const scale = floatConstant(graph, input[1]);
  if (!quantised || !scale) return undefined;
  const zero = eightBits(graph.tensor(input[2] ?? ''))?.values;
  const { shape, values } = quantised;
  const axis = Number(attribute?.find(({ name }) => name === 'axis')?.i ?? 1);
  const within = shape.slice(axis < 0 ? axis + shape.length + 1 : axis + 1).reduce((a, b) => a * b, 1);
  const place = (i: number) => (scale.data.length === 1 ? 0 : Math.floor(i / within) % scale.data.length);
  return {
    shape,
    data: Float32Array.from(values, (q, i) => (q - (zero?.[place(i)] ?? 0)) * scale.data[place(i)]),
  };
}

function eightBits(tensor: Tensor | undefined): { shape: number[]; values: ArrayLike<number> } | undefined {
  const { dataType, rawData, int32Data } = tensor ?? {};
  if (dataType !== DataType.int8 && dataType !== DataType.uint8) return undefined;
  const bytes = rawData?.length ? rawData : Uint8Array.from(int32Data ?? []);
  const values = dataType === DataType.uint8 ? bytes : new Int8Array(bytes.buffer, bytes.byteOffset, bytes.length);
  return { shape: numbers(tensor!.dims), values };
}
