import type { DataType as TfDataType } from '@tensorflow/tfjs-core';
import {
  AttributeType,
  DataType,
  encodeModel,
  type Attribute,
  type Node,
  type Tensor,
  type ValueInfo,
} from './protobuf.js';

/** The data types that TensorFlow.js and ONNX share. */
export type Dtype = 'float32' | 'int32' | 'bool';

export type Numbers = Float32Array | Int32Array | Uint8Array | Int8Array | BigInt64Array;

/** A named value of a graph, with its shape and type at the time of tracing. */
export interface Operand {
  readonly name: string;
  readonly shape: readonly number[];
  readonly dtype: Dtype;
}

/** Dimensions of an input or output. A string is a symbolic dimension. */
export type Dimensions = readonly (number | string)[];

export type AttributeValue = number | string | readonly number[] | { float: number };

interface Constant {
  readonly type: number;
  readonly dims: readonly number[];
  readonly data: Numbers;
}

const elementType: Record<Dtype, number> = { float32: DataType.float, int32: DataType.int32, bool: DataType.bool };

/** The ONNX element type of a TensorFlow.js data type. */
export function onnxType(dtype: Dtype): number {
  return elementType[dtype];
}

/** The TensorFlow.js data type of an ONNX element type. */
export function tfType(type: number): Dtype {
  const [dtype] = Object.entries(elementType).find(([, number]) => number === type) ?? [];
  if (dtype === undefined) throw new Error(`ONNX type ${type} has no counterpart in TensorFlow.js`);
  return dtype as Dtype;
}

export function isDtype(dtype: TfDataType): dtype is Dtype {
  return dtype in elementType;
}

/** Opset of the generated graphs: the first in which all reductions take their axes as an input. */
const OPSET = 18;
const IR_VERSION = 8;

function attribute(name: string, value: AttributeValue): Attribute {
  if (typeof value === 'number') return { name, type: AttributeType.int, i: value };
  if (typeof value === 'string') return { name, type: AttributeType.string, s: Buffer.from(value) };
  if ('float' in value) return { name, type: AttributeType.float, f: value.float };
  return { name, type: AttributeType.ints, ints: [...value] };
}

function valueInfo(name: string, type?: number, dims?: Dimensions): ValueInfo {
  if (type === undefined) return { name };
  const dim = dims?.map((d) => (typeof d === 'string' ? { dimParam: d } : { dimValue: d }));
  return { name, type: { tensorType: { elemType: type, ...(dim && { shape: { dim } }) } } };
}

/** Builds an ONNX graph node by node. Values are referred to by name. */
export class GraphBuilder {
  nodes: Node[] = [];
  readonly constants = new Map<string, Constant>();
  readonly inputs: ValueInfo[] = [];
  readonly outputs: ValueInfo[] = [];
  /** Shapes of values from traced kernels, for optimisation passes. */
  readonly shapes = new Map<string, readonly number[]>();
  /** Name of the kernel that the next nodes implement, for messages. */
  origin = '';
  private readonly origins = new Map<string, string>();
  private readonly byContent = new Map<string, string>();
  private counter = 0;

  input(name: string, dtype: Dtype, dims: Dimensions): string {
    this.inputs.push(valueInfo(name, elementType[dtype], dims));
    return name;
  }

  output(name: string, dtype?: Dtype, dims?: Dimensions): void {
    this.outputs.push(valueInfo(name, dtype && elementType[dtype], dims));
  }

  /** Appends a node with one output and returns the name of the output. */
  node(opType: string, inputs: readonly string[], attributes: Record<string, AttributeValue> = {}): string {
    return this.nodeOf(1, opType, inputs, attributes)[0];
  }

  /** Appends a node with several outputs. */
  nodeOf(
    outputs: number,
    opType: string,
    inputs: readonly string[],
    attributes: Record<string, AttributeValue> = {},
  ): string[] {
    const names = Array.from({ length: outputs }, () => this.fresh());
    this.nodes.push({
      opType,
      input: [...inputs],
      output: names,
      attribute: Object.entries(attributes).map(([name, value]) => attribute(name, value)),
    });
    return names;
  }

  /** Adds a constant. Small equal constants are shared. */
  constant(type: number, dims: readonly number[], data: Numbers): string {
    const key = data.length <= 64 ? `${type}|${dims.join()}|${data.join()}` : undefined;
    const known = key !== undefined ? this.byContent.get(key) : undefined;
    if (known !== undefined) return known;
    if (data.length > 64 && type === DataType.float && isUniform(data)) {
      // A large tensor of one value, such as the zeros that a gradient starts from, takes no space
      // in the file.
      const one: Tensor = { dims: [1], dataType: type, rawData: bytesOf(data.slice(0, 1)) };
      const [name] = this.nodeOf(1, 'ConstantOfShape', [this.ints(dims)]);
      this.nodes[this.nodes.length - 1].attribute = [{ name: 'value', type: AttributeType.tensor, t: one }];
      return name;
    }
    const name = `#c${this.constants.size}`;
    this.constants.set(name, { type, dims, data });
    this.origins.set(name, this.origin);
    if (key !== undefined) this.byContent.set(key, name);
    return name;
  }

  /** Adds a list of int64 numbers: shapes, axes, indices. */
  ints(values: readonly number[]): string {
    return this.constant(DataType.int64, [values.length], BigInt64Array.from(values, BigInt));
  }

  /** Adds a scalar. */
  scalar(value: number, dtype: Dtype = 'float32'): string {
    const data =
      dtype === 'float32' ? Float32Array.of(value) : dtype === 'int32' ? Int32Array.of(value) : Uint8Array.of(value);
    return this.constant(elementType[dtype], [], data);
  }

  cast(name: string, type: number): string {
    return this.node('Cast', [name], { to: type });
  }

  /** The kernel that first used a constant. */
  originOf(constant: string): string {
    return this.origins.get(constant) ?? '';
  }

  /** A new name. The # keeps it apart from the names of inputs and weights. */
  fresh(): string {
    return `#v${this.counter++}`;
  }

  /** The bytes of the .onnx file. */
  encode(): Uint8Array {
    const initializer = [...this.constants].map(([name, { type, dims, data }]): Tensor => {
      return { name, dims: [...dims], dataType: type, rawData: bytesOf(data) };
    });
    return encodeModel({
      irVersion: IR_VERSION,
      producerName: 'captioner',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: { name: 'captioner', node: this.nodes, initializer, input: this.inputs, output: this.outputs },
    });
  }
}

function isUniform(data: Numbers): boolean {
  for (let i = 1; i < data.length; i++) if (data[i] !== data[0]) return false;
  return true;
}

/** A typed array's memory as bytes. */
export function bytesOf(data: Numbers): Uint8Array {
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}
