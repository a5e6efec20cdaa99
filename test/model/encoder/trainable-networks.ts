import { expect } from 'chai';
import { AttributeType, DataType, type Attribute, type Node, type Tensor } from '../../../lib/onnx/protobuf.js';
import type { TrainableEncoder } from '../../../lib/model/encoder/trainable-encoder.js';
import { Random } from '../../../lib/random.js';
import * as networks from './networks.js';
import { channels, float, int, int64, ints, network, node, value } from './networks.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';

const ort = onnxRuntime();

const number = (name: string, f: number): Attribute => ({ name, type: AttributeType.float, f });
const text = (name: string, s: string): Attribute => ({ name, type: AttributeType.string, s: Buffer.from(s) });

const random = new Random(5);
const noise = (name: string, dims: number[], scale = 0.4): Tensor =>
  float(
    name,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
  );

/** A headless network: a first convolution to `map` [N, 6, 8, 8], then `nodes` up to `end`, then the mean over what is left. */
export function headless(nodes: Node[], weights: Tensor[] = [], end = 'y', dimension = channels): Uint8Array {
  return network({
    size: 16,
    opset: 14,
    tail: [...nodes, node('GlobalAveragePool', [end], 'pooled'), node('Flatten', ['pooled'], 'features')],
    weights,
    outputs: [value('features', ['N', dimension])],
  });
}

const conv = (weights: string[], ...attributes: Attribute[]) => [node('Conv', ['map', ...weights], 'y', ...attributes)];
const oneByOne = (input: string) => node('Conv', [input, 'w1'], 'y');
const w1 = noise('w1', [channels, channels, 1, 1]);
const halfBits = (name: string, dims: number[], values: number[]): Tensor => ({
  name,
  dims,
  dataType: DataType.float16,
  int32Data: values,
});

/** Small networks that between them have every operator that can be trained, by what is special in them. */
export const trainableNetworks: Readonly<Record<string, Uint8Array>> = {
  'Conv with a bias': headless(conv(['w', 'b'], ints('pads', [1, 1, 1, 1])), [
    noise('w', [channels, channels, 3, 3]),
    noise('b', [channels]),
  ]),
  'Conv with uneven pads and strides': headless(conv(['w'], ints('pads', [0, 2, 1, 0]), ints('strides', [2, 1])), [
    noise('w', [channels, channels, 3, 2]),
  ]),
  'Conv, SAME_UPPER': headless(conv(['w'], text('auto_pad', 'SAME_UPPER'), ints('strides', [2, 2])), [
    noise('w', [channels, channels, 3, 3]),
  ]),
  'Conv, SAME_LOWER': headless(conv(['w'], text('auto_pad', 'SAME_LOWER'), ints('strides', [2, 2])), [
    noise('w', [channels, channels, 3, 3]),
  ]),
  'Conv, dilated': headless(conv(['w'], ints('dilations', [2, 3]), ints('pads', [2, 2, 2, 2])), [
    noise('w', [channels, channels, 3, 2]),
  ]),
  'Conv, depthwise': headless(
    conv(['w', 'b'], int('group', channels), ints('pads', [1, 1, 1, 1]), ints('strides', [2, 2])),
    [noise('w', [channels, 1, 3, 3]), noise('b', [channels])],
  ),
  'Conv, depthwise with two filters a channel': headless(
    conv(['w'], int('group', channels)),
    [noise('w', [2 * channels, 1, 3, 3])],
    'y',
    2 * channels,
  ),
  'Conv in groups': headless(conv(['w'], int('group', 3)), [noise('w', [channels, 2, 3, 3])]),
  BatchNormalization: headless(
    [node('BatchNormalization', ['map', 'scale', 'offset', 'mean', 'variance'], 'y', number('epsilon', 0.01))],
    [
      noise('scale', [channels]),
      noise('offset', [channels]),
      noise('mean', [channels]),
      float('variance', [channels], [1, 2, 0.5, 0.1, 3, 1]),
    ],
  ),
  'activations of all kinds': headless(
    [
      oneByOne('map'),
      node('LeakyRelu', ['y'], 'a', number('alpha', 0.3)),
      node('Sigmoid', ['y'], 'b'),
      node('HardSwish', ['y'], 'c'),
      node('Tanh', ['y'], 'd'),
      node('Elu', ['y'], 'e'),
      node('HardSigmoid', ['y'], 'f', number('alpha', 0.3)),
      node('PRelu', ['y', 'slope'], 'g'),
      node('Concat', ['a', 'b', 'c', 'd', 'e', 'f', 'g'], 'z', int('axis', 1)),
    ],
    [w1, noise('slope', [channels, 1, 1])],
    'z',
    7 * channels,
  ),
  'Clip with bounds as inputs, open on one side': headless(
    [node('Clip', ['map', 'zero', 'six'], 'a'), node('Clip', ['map', '', 'low'], 'b'), node('Add', ['a', 'b'], 'y')],
    [float('zero', [], [0]), float('six', [], [6]), float('low', [], [0.2])],
  ),
  'arithmetic with constants and maps, Dropout, Identity': headless(
    [
      node('Mul', ['map', 'scale'], 'a'),
      node('Sub', ['a', 'half'], 'b'),
      node('Div', ['b', 'scale'], 'c'),
      node('Dropout', ['c'], 'd'),
      node('Identity', ['d'], 'e'),
      node('Mul', ['e', 'map'], 'y'),
    ],
    [float('scale', [1, channels, 1, 1], [1, 2, 3, 4, 5, 6]), float('half', [], [0.5])],
  ),
  MaxPool: headless([
    node('MaxPool', ['map'], 'y', ints('kernel_shape', [3, 3]), ints('strides', [2, 2]), ints('pads', [1, 1, 1, 1])),
  ]),
  'MaxPool with uneven pads, rounded up': headless(
    [
      oneByOne('map'),
      node(
        'MaxPool',
        ['y'],
        'z',
        ints('kernel_shape', [3, 2]),
        ints('strides', [2, 3]),
        ints('pads', [0, 0, 1, 1]),
        int('ceil_mode', 1),
      ),
    ],
    [w1],
    'z',
  ),
  'AveragePool without its padding': headless([
    node(
      'AveragePool',
      ['map'],
      'y',
      ints('kernel_shape', [3, 3]),
      ints('strides', [2, 2]),
      ints('pads', [1, 1, 1, 1]),
    ),
  ]),
  'AveragePool with its padding': headless([
    node(
      'AveragePool',
      ['map'],
      'y',
      ints('kernel_shape', [3, 3]),
      ints('pads', [1, 0, 1, 2]),
      int('count_include_pad', 1),
    ),
  ]),
  'AveragePool rounded up': headless([
    node('AveragePool', ['map'], 'y', ints('kernel_shape', [3, 3]), ints('strides', [2, 2]), int('ceil_mode', 1)),
  ]),
  'weights in fp16, cast': headless(
    [node('Cast', ['w16'], 'w', int('to', 1)), node('Conv', ['map', 'w'], 'y')],
    [
      halfBits(
        'w16',
        [channels, channels, 1, 1],
        Array.from({ length: 36 }, (_, i) => 0x3000 + 97 * i),
      ),
    ],
  ),
  'weights in 8 bits': headless(
    [node('DequantizeLinear', ['w8', 's', 'z'], 'w', int('axis', 0)), node('Conv', ['map', 'w'], 'y')],
    [
      {
        name: 'w8',
        dims: [channels, channels, 1, 1],
        dataType: DataType.int8,
        rawData: new Uint8Array(Int8Array.from({ length: 36 }, (_, i) => ((i * 53) % 251) - 125).buffer),
      },
      float('s', [channels], [0.01, 0.02, 0.03, 0.01, 0.02, 0.005]),
      { name: 'z', dims: [channels], dataType: DataType.int8, rawData: Uint8Array.of(0, 1, 2, 0, 0, 255) },
    ],
  ),
  'two dense layers': network({
    size: 16,
    tail: [
      node('ReduceMean', ['map'], 'm', ints('axes', [-2, -1]), int('keepdims', 1)),
      node('Squeeze', ['m', 'last'], 's'),
      node('Gemm', ['s', 'g', 'c'], 'h', number('alpha', 0.5), number('beta', 2), int('transB', 1)),
      node('Relu', ['h'], 'r'),
      node('Transpose', ['wt'], 'w', ints('perm', [1, 0])),
      node('MatMul', ['r', 'w'], 'p'),
      node('Add', ['p', 'b'], 'features'),
    ],
    weights: [int64('last', [2, 3]), noise('g', [7, channels]), noise('c', [7]), noise('wt', [5, 7]), noise('b', [5])],
    outputs: [value('features', ['N', 5])],
  }),
  'a classifier with a Reshape to a computed shape': networks.mobilenetLike(),
  'a classifier with a mean': networks.matmulLike(),
  'a classifier for one photo at a time': networks.resnetLike({ batch: 1 }),
};

export const photosFor = (encoder: TrainableEncoder, count: number): Float32Array => {
  const pixels = new Random(8);
  return Float32Array.from({ length: count * 3 * encoder.inputSize ** 2 }, () => pixels.normal());
};

export async function expectedFeatures(encoder: TrainableEncoder, photos: Float32Array): Promise<Float32Array> {
  const S = encoder.inputSize;
  const session = await ort.InferenceSession.create(encoder.model, { logSeverityLevel: 3 });
  const { input, features } = encoder.values;
  const feeds = { [input]: new ort.Tensor('float32', photos, [photos.length / (3 * S * S), 3, S, S]) };
  return (await session.run(feeds, [features]))[features].data as Float32Array;
}

/** @param relative how far apart two numbers may be, as a share of the largest expected one. */
export function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, relative = 1e-4): void {
  expect(actual.length).to.equal(expected.length);
  let scale = 0;
  let worst = 0;
  for (let i = 0; i < expected.length; i++) {
    scale = Math.max(scale, Math.abs(expected[i]));
    if (!(Math.abs(actual[i] - expected[i]) <= Math.abs(actual[worst] - expected[worst]))) worst = i;
  }
  expect(scale).to.be.greaterThan(0);
  expect(actual[worst], `number ${worst}`).to.be.closeTo(expected[worst], relative * scale);
}
