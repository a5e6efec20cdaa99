import {
  AttributeType,
  DataType,
  encodeModel,
  type Attribute,
  type Node,
  type Tensor,
  type ValueInfo,
} from '../../../lib/onnx/protobuf.js';
import { Random } from '../../../lib/random.js';

/** Small ONNX classifiers in the manner of the big ones: a convolution, pooling, a head. */

export const float = (name: string, dims: number[], values: readonly number[]): Tensor => ({
  name,
  dims,
  dataType: DataType.float,
  rawData: new Uint8Array(Float32Array.from(values).buffer),
});

export const int64 = (name: string, values: readonly number[], dims = [values.length]): Tensor => ({
  name,
  dims,
  dataType: DataType.int64,
  rawData: new Uint8Array(BigInt64Array.from(values, BigInt).buffer),
});

export const ints = (name: string, values: number[]): Attribute => ({ name, type: AttributeType.ints, ints: values });
export const int = (name: string, value: number): Attribute => ({ name, type: AttributeType.int, i: value });

export const node = (opType: string, input: string[], output: string, ...attribute: Attribute[]): Node => ({
  opType,
  input,
  output: [output],
  ...(attribute.length && { attribute }),
});

export const value = (name: string, dims: (number | string)[], elemType: number = DataType.float): ValueInfo => ({
  name,
  type: {
    tensorType: {
      elemType,
      shape: { dim: dims.map((d) => (typeof d === 'number' ? { dimValue: d } : { dimParam: d })) },
    },
  },
});

export interface NetworkParts {
  /** From the value `map` [N, C, s/2, s/2] to the output `classes`. */
  readonly tail: Node[];
  readonly weights?: Tensor[];
  /** Sides of its photos. */
  readonly size?: number;
  readonly batch?: number | 'N';
  readonly irVersion?: number;
  readonly opset?: number;
  readonly outputs?: ValueInfo[];
  readonly inputs?: ValueInfo[];
  /** Name of its input. */
  readonly photo?: string;
}

/** Channels of the value `map`, which is the length of pooled features. */
export const channels = 6;
export const classes = 5;

/** A network that begins with a strided convolution and a Relu, and continues as `tail` says. Weights are seeded. */
export function network({
  tail,
  weights = [],
  size = 8,
  batch = 'N',
  photo = 'photo',
  ...rest
}: NetworkParts): Uint8Array {
  const random = new Random(7);
  const noise = (count: number) => Array.from({ length: count }, () => 0.3 * random.normal());
  const initializer = [float('kernel', [channels, 3, 3, 3], noise(channels * 27)), ...weights];
  return encodeModel({
    irVersion: rest.irVersion ?? 8,
    producerName: 'test',
    opsetImport: [{ domain: '', version: rest.opset ?? 13 }],
    graph: {
      name: 'network',
      node: [
        node('Conv', [photo, 'kernel'], 'convolved', ints('strides', [2, 2]), ints('pads', [1, 1, 1, 1])),
        node('Relu', ['convolved'], 'map'),
        ...tail,
      ],
      initializer,
      input: rest.inputs ?? [
        value(photo, [batch, 3, size, size]),
        // Before version 4 of the format, weights were inputs, too.
        ...((rest.irVersion ?? 8) < 4
          ? initializer.map(({ name, dims, dataType }) => value(name!, dims as number[], dataType))
          : []),
      ],
      output: rest.outputs ?? [value('classes', [batch, classes])],
      valueInfo: [value('map', [batch, channels, size / 2, size / 2])],
    },
  });
}

const random = new Random(11);
/** The head's matrix [D, classes] and bias. */
export const headWeights: Tensor[] = [
  float(
    'matrix',
    [channels, classes],
    Array.from({ length: channels * classes }, () => random.normal()),
  ),
  float(
    'bias',
    [classes],
    Array.from({ length: classes }, () => random.normal()),
  ),
];

/** As ResNet v1: GlobalAveragePool, Flatten, Gemm. */
export function resnetLike(options: Partial<NetworkParts> = {}): Uint8Array {
  return network({
    tail: [
      node('GlobalAveragePool', ['map'], 'pooled'),
      node('Flatten', ['pooled'], 'flat'),
      node('Gemm', ['flat', 'matrix', 'bias'], 'classes'),
    ],
    weights: headWeights,
    ...options,
  });
}

/** As MobileNetV2: the shape of a Reshape is computed from the batch's. */
export function mobilenetLike(options: Partial<NetworkParts> = {}): Uint8Array {
  return network({
    tail: [
      node('GlobalAveragePool', ['map'], 'pooled'),
      node('Shape', ['pooled'], 'shape'),
      node('Gather', ['shape', 'zero'], 'rows', int('axis', 0)),
      node('Unsqueeze', ['rows', 'axis0'], 'rows1'),
      node('Concat', ['rows1', 'minus1'], 'flatShape', int('axis', 0)),
      node('Reshape', ['pooled', 'flatShape'], 'flat'),
      node('Gemm', ['flat', 'transposed', 'bias'], 'classes', int('transB', 1)),
    ],
    weights: [
      int64('zero', [0], []),
      int64('axis0', [0]),
      int64('minus1', [-1]),
      float(
        'transposed',
        [classes, channels],
        Array.from({ length: channels * classes }, (_, i) => Math.sin(i)),
      ),
      headWeights[1],
    ],
    ...options,
  });
}

/** As TensorFlow exports: ReduceMean, MatMul, Add, Softmax. */
export function matmulLike(options: Partial<NetworkParts> = {}): Uint8Array {
  return network({
    tail: [
      node('ReduceMean', ['map'], 'flat', ints('axes', [2, 3]), int('keepdims', 0)),
      node('MatMul', ['flat', 'matrix'], 'scores'),
      node('Add', ['scores', 'bias'], 'logits'),
      node('Softmax', ['logits'], 'classes'),
    ],
    weights: headWeights,
    ...options,
  });
}
