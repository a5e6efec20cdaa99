import { CaptionerError } from '../errors.js';
import { WireFormat, type Fields, type Messages } from './wire.js';
import type { Int64 } from './wire-bytes.js';

export type { Int64 } from './wire-bytes.js';

/**
 * The ONNX file format: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto3 (IR version 10).
 * All fields are declared, so that reading and writing a model loses nothing.
 */

export const messages: Messages = {
  ModelProto: {
    irVersion: ['int64', 1],
    opsetImport: ['repeated', 'OperatorSetIdProto', 8],
    producerName: ['string', 2],
    producerVersion: ['string', 3],
    domain: ['string', 4],
    modelVersion: ['int64', 5],
    docString: ['string', 6],
    graph: ['GraphProto', 7],
    metadataProps: ['repeated', 'StringStringEntryProto', 14],
    functions: ['repeated', 'FunctionProto', 25],
  },
  OperatorSetIdProto: { domain: ['string', 1], version: ['int64', 2] },
  StringStringEntryProto: { key: ['string', 1], value: ['string', 2] },
  GraphProto: {
    node: ['repeated', 'NodeProto', 1],
    name: ['string', 2],
    initializer: ['repeated', 'TensorProto', 5],
    sparseInitializer: ['repeated', 'SparseTensorProto', 15],
    docString: ['string', 10],
    input: ['repeated', 'ValueInfoProto', 11],
    output: ['repeated', 'ValueInfoProto', 12],
    valueInfo: ['repeated', 'ValueInfoProto', 13],
    quantizationAnnotation: ['repeated', 'TensorAnnotation', 14],
    metadataProps: ['repeated', 'StringStringEntryProto', 16],
  },
  TensorAnnotation: {
    tensorName: ['string', 1],
    quantParameterTensorNames: ['repeated', 'StringStringEntryProto', 2],
  },
  NodeProto: {
    input: ['repeated', 'string', 1],
    output: ['repeated', 'string', 2],
    name: ['string', 3],
    opType: ['string', 4],
    domain: ['string', 7],
    overload: ['string', 8],
    attribute: ['repeated', 'AttributeProto', 5],
    docString: ['string', 6],
    metadataProps: ['repeated', 'StringStringEntryProto', 9],
  },
  AttributeProto: {
    name: ['string', 1],
    refAttrName: ['string', 21],
    docString: ['string', 13],
    type: ['int32', 20],
    f: ['float', 2],
    i: ['int64', 3],
    s: ['bytes', 4],
    t: ['TensorProto', 5],
    g: ['GraphProto', 6],
    sparseTensor: ['SparseTensorProto', 22],
    tp: ['TypeProto', 14],
    floats: ['repeated', 'float', 7],
    ints: ['repeated', 'int64', 8],
    strings: ['repeated', 'bytes', 9],
    tensors: ['repeated', 'TensorProto', 10],
    graphs: ['repeated', 'GraphProto', 11],
    sparseTensors: ['repeated', 'SparseTensorProto', 23],
    typeProtos: ['repeated', 'TypeProto', 15],
  },
  TensorProto: {
    dims: ['repeated', 'int64', 1],
    dataType: ['int32', 2],
    floatData: ['repeated', 'float', 4, 'packed'],
    int32Data: ['repeated', 'int32', 5, 'packed'],
    stringData: ['repeated', 'bytes', 6],
    int64Data: ['repeated', 'int64', 7, 'packed'],
    name: ['string', 8],
    docString: ['string', 12],
    rawData: ['bytes', 9],
    externalData: ['repeated', 'StringStringEntryProto', 13],
    dataLocation: ['int32', 14],
    doubleData: ['repeated', 'double', 10, 'packed'],
    uint64Data: ['repeated', 'uint64', 11, 'packed'],
    metadataProps: ['repeated', 'StringStringEntryProto', 16],
  },
  SparseTensorProto: {
    values: ['TensorProto', 1],
    indices: ['TensorProto', 2],
    dims: ['repeated', 'int64', 3],
  },
  ValueInfoProto: {
    name: ['string', 1],
    type: ['TypeProto', 2],
    docString: ['string', 3],
    metadataProps: ['repeated', 'StringStringEntryProto', 4],
  },
  TypeProto: {
    tensorType: ['TensorTypeProto', 1],
    sequenceType: ['ElementTypeProto', 4],
    mapType: ['MapTypeProto', 5],
    denotation: ['string', 6],
    sparseTensorType: ['TensorTypeProto', 8],
    optionalType: ['ElementTypeProto', 9],
  },
  TensorTypeProto: { elemType: ['int32', 1], shape: ['TensorShapeProto', 2] },
  ElementTypeProto: { elemType: ['TypeProto', 1] },
  MapTypeProto: { keyType: ['int32', 1], valueType: ['TypeProto', 2] },
  TensorShapeProto: { dim: ['repeated', 'DimensionProto', 1] },
  DimensionProto: { dimValue: ['int64', 1], dimParam: ['string', 2], denotation: ['string', 3] },
  FunctionProto: {
    name: ['string', 1],
    input: ['repeated', 'string', 4],
    output: ['repeated', 'string', 5],
    attribute: ['repeated', 'string', 6],
    attributeProto: ['repeated', 'AttributeProto', 11],
    node: ['repeated', 'NodeProto', 7],
    docString: ['string', 8],
    opsetImport: ['repeated', 'OperatorSetIdProto', 9],
    domain: ['string', 10],
    overload: ['string', 13],
    valueInfo: ['repeated', 'ValueInfoProto', 12],
    metadataProps: ['repeated', 'StringStringEntryProto', 14],
  },
};

/** TensorProto.DataType */
export const DataType = { float: 1, uint8: 2, int8: 3, int32: 6, int64: 7, bool: 9, float16: 10, double: 11 } as const;

/** AttributeProto.AttributeType */
export const AttributeType = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
} as const;

export interface Tensor {
  name?: string;
  dims?: Int64[];
  dataType?: number;
  rawData?: Uint8Array;
  floatData?: number[];
  int32Data?: number[];
  int64Data?: Int64[];
  doubleData?: number[];
  externalData?: { key: string; value: string }[];
  dataLocation?: number;
}

export interface Attribute {
  name: string;
  type?: number;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: Tensor;
  g?: Graph;
  floats?: number[];
  ints?: Int64[];
  strings?: Uint8Array[];
}

export interface Node {
  name?: string;
  opType: string;
  domain?: string;
  input?: string[];
  output?: string[];
  attribute?: Attribute[];
}

export interface ValueInfo {
  name: string;
  type?: {
    tensorType?: { elemType?: number; shape?: { dim?: { dimValue?: Int64; dimParam?: string }[] } };
  };
}

export interface Graph {
  name?: string;
  node?: Node[];
  initializer?: Tensor[];
  input?: ValueInfo[];
  output?: ValueInfo[];
  valueInfo?: ValueInfo[];
}

export interface Model {
  irVersion?: Int64;
  producerName?: string;
  producerVersion?: string;
  opsetImport?: { domain?: string; version?: Int64 }[];
  metadataProps?: { key: string; value: string }[];
  graph: Graph;
}

const wire = new WireFormat(messages);

/** Encodes a model as the bytes of an .onnx file. */
export function encodeModel(model: Model): Uint8Array {
  return wire.encode('ModelProto', model as unknown as Fields);
}

/**
 * Decodes the bytes of an .onnx file. Weights are views of them.
 * @throws CaptionerError `corrupt` if they are not an ONNX model.
 */
export function decodeModel(bytes: Uint8Array): Model {
  let model: Partial<Model>;
  try {
    model = wire.decode('ModelProto', bytes);
  } catch (error) {
    throw new CaptionerError('corrupt', `This is not an ONNX model, or it is truncated (${(error as Error).message}).`);
  }
  if (!model.graph?.node?.length) throw new CaptionerError('corrupt', 'This ONNX model contains no graph.');
  return model as Model;
}

/** A tensor's or attribute's int64 fields as numbers. */
export function numbers(values: readonly Int64[] | undefined): number[] {
  return (values ?? []).map(Number);
}
