import { AttributeType, type Attribute, type Node, type Tensor } from '../../../lib/onnx/protobuf.js';
import { Random } from '../../../lib/random.js';
import { float, int, ints, network, node, value } from './networks.js';

let random = new Random(21);
/** Begins the weights of a network, so that it is the same each time. */
const seed = () => (random = new Random(21));
const noise = (name: string, dims: number[], scale = 0.3): Tensor =>
  float(
    name,
    dims,
    Array.from({ length: dims.reduce((a, b) => a * b, 1) }, () => scale * random.normal()),
  );
const positive = (name: string, length: number): Tensor =>
  float(
    name,
    [length],
    Array.from({ length }, () => 0.5 + random.uniform()),
  );
const attribute = (name: string, f: number): Attribute => ({ name, type: AttributeType.float, f });

/** Channels of `map`, with which each of these networks begins. */
const C = 6;

/** Batch normalisation after a value. */
const normalised = (from: string, to: string): { nodes: Node[]; weights: Tensor[] } => ({
  nodes: [
    node(
      'BatchNormalization',
      [from, ...['g', 'b', 'm', 'v'].map((p) => `${to}/${p}`)],
      to,
      attribute('epsilon', 1e-3),
    ),
  ],
  weights: [positive(`${to}/g`, C), noise(`${to}/b`, [C]), noise(`${to}/m`, [C]), positive(`${to}/v`, C)],
});

const pads = ints('pads', [1, 1, 1, 1]);
const mean = (from: string) => [node('GlobalAveragePool', [from], 'pooled'), node('Flatten', ['pooled'], 'features')];
const features = [value('features', ['N', C])];

/** As ResNet v1: batch normalisations, a maximum pooling and a residual block. */
export function residualNetwork(opset = 13): Uint8Array {
  seed();
  const [a, b] = [normalised('ca', 'na'), normalised('cb', 'nb')];
  return network({
    size: 16,
    opset,
    outputs: features,
    weights: [noise('wa', [C, C, 3, 3]), noise('wb', [C, C, 3, 3]), ...a.weights, ...b.weights],
    tail: [
      node('MaxPool', ['map'], 'x', ints('kernel_shape', [3, 3]), ints('strides', [2, 2]), pads),
      node('Conv', ['x', 'wa'], 'ca', pads),
      ...a.nodes,
      node('Relu', ['na'], 'ra'),
      node('Conv', ['ra', 'wb'], 'cb', pads),
      ...b.nodes,
      node('Add', ['x', 'nb'], 'sum'),
      node('Relu', ['sum'], 'y'),
      ...mean('y'),
    ],
  });
}

/** As MobileNetV2: a bottleneck with a depthwise convolution, ReLU6 and a residual sum, and a last 1 x 1 convolution. */
export function bottleneckNetwork(): Uint8Array {
  seed();
  const six = (from: string, to: string) => node('Clip', [from, 'zero', 'six'], to);
  const wide = 3 * C;
  return network({
    size: 16,
    outputs: [value('features', ['N', 2 * C])],
    weights: [
      ...[float('zero', [], [0]), float('six', [], [6])],
      ...[noise('w1', [wide, C, 1, 1]), noise('b1', [wide])],
      ...[noise('w2', [wide, 1, 3, 3]), noise('b2', [wide])],
      ...[noise('w3', [C, wide, 1, 1]), noise('b3', [C])],
      ...[noise('w4', [2 * C, C, 1, 1]), noise('b4', [2 * C])],
    ],
    tail: [
      node('Conv', ['map', 'w1', 'b1'], 'c1'),
      six('c1', 'r1'),
      node('Conv', ['r1', 'w2', 'b2'], 'c2', pads, int('group', wide)),
      six('c2', 'r2'),
      node('Conv', ['r2', 'w3', 'b3'], 'c3'),
      node('Add', ['map', 'c3'], 'sum'),
      node('Conv', ['sum', 'w4', 'b4'], 'c4'),
      node('Relu', ['c4'], 'y'),
      ...mean('y'),
    ],
  });
}

/** As the networks of `captioner distill` used to be: biases that are added, a mean and a Gemm. */
export function linearNetwork(transposed = false): Uint8Array {
  seed();
  return network({
    size: 16,
    outputs: [value('features', ['N', 2 * C])],
    weights: [
      ...[noise('w', [C, C, 3, 3]), noise('b', [1, C, 1, 1])],
      ...[noise('head', transposed ? [2 * C, C] : [C, 2 * C]), noise('head/b', [2 * C])],
    ],
    tail: [
      node('Conv', ['map', 'w'], 'c', pads),
      node('Add', ['c', 'b'], 'a'),
      node('Relu', ['a'], 'y'),
      node('GlobalAveragePool', ['y'], 'pooled'),
      node('Flatten', ['pooled'], 'flat'),
      node('Gemm', ['flat', 'head', 'head/b'], 'features', int('transB', transposed ? 1 : 0)),
    ],
  });
}

/** A single convolution after which nothing is rounded but its result. */
export function oneConvolution(): Uint8Array {
  return network({ size: 8, outputs: features, tail: mean('map') });
}
