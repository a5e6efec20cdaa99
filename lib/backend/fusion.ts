import type { GraphBuilder } from '../onnx/graph-builder.js';
import { AttributeType, type Node } from '../onnx/protobuf.js';
import { uses } from './consumers.js';

/**
 * Fuses nodes of a graph that runs on ONNX Runtime right away. Not for exported files: with
 * constant weights, ONNX Runtime folds a scale into the preceding convolution, which these rewrites
 * would prevent.
 */
export function fuse(graph: GraphBuilder): void {
  fuseSteps(graph);
  fuseMasks(graph);
  joinScaleAndShift(graph);
  joinConvolutionBiases(graph);
}

/**
 * The gradient of relu(x) tests x > 0, which is the same as relu(x) > 0. Testing the result means
 * that x need not be kept, and that its producer can be fused with the relu.
 */
function fuseSteps(graph: GraphBuilder): void {
  const rectified = new Map<string, string>();
  for (const { opType, input, output } of graph.nodes) if (opType === 'Relu') rectified.set(input![0], output![0]);
  const done = new Set<string>();
  for (const node of graph.nodes) {
    const result = node.opType === 'Greater' ? rectified.get(node.input![0]) : undefined;
    const zero = graph.constants.get(node.input![1])?.data;
    if (result !== undefined && done.has(result) && zero?.length === 1 && zero[0] === 0)
      node.input = [result, node.input![1]];
    for (const output of node.output!) done.add(output);
  }
}

/**
 * The gradient of relu6 multiplies two conditions as numbers. Combined first, they are converted
 * only once.
 */
function fuseMasks(graph: GraphBuilder): void {
  const { producers } = uses(graph);
  const conditions = ['Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual'];
  /** The condition behind a number, through any casts of TensorFlow.js. */
  const conditionOf = (name: string): string | undefined => {
    const node = producers.get(name);
    if (node?.opType !== 'Cast') return undefined;
    const [source] = node.input!;
    return conditions.includes(producers.get(source)?.opType ?? '') ? source : conditionOf(source);
  };
  graph.nodes = graph.nodes.flatMap((node) => {
    const [a, b] = node.input!.map(conditionOf);
    if (node.opType !== 'Mul' || a === undefined || b === undefined) return [node];
    const both = graph.fresh();
    const { attribute } = producers.get(node.input![0])!;
    return [
      { opType: 'And', input: [a, b], output: [both] },
      { ...node, opType: 'Cast', input: [both], attribute },
    ];
  });
}

/**
 * Images [N, C, H, W] times a number per channel plus another, as in batch normalisation. As a
 * depthwise convolution with one weight and a bias, ONNX Runtime passes over the images once
 * instead of twice, and fuses a following relu.
 */
function joinScaleAndShift(graph: GraphBuilder): void {
  const { producers, usedOnce } = uses(graph);
  const shapeOf = (name: string) => graph.shapes.get(name)?.join();

  const joined = new Set<Node>();
  graph.nodes = graph.nodes.flatMap((node) => {
    const product = node.input!.find((name) => producers.get(name)?.opType === 'Mul' && usedOnce(name));
    const shape = product === undefined ? undefined : graph.shapes.get(product);
    if (node.opType !== 'Add' || product === undefined || shape?.length !== 4) return [node];
    const multiplication = producers.get(product)!;
    const [channels, shift] = [shape[1], other(node, product)];
    const images = multiplication.input!.find((name) => shapeOf(name) === shape.join());
    const scale = images === undefined ? undefined : other(multiplication, images);
    if (images === undefined || !isPerChannel(graph, scale, channels) || !isPerChannel(graph, shift, channels))
      return [node];
    joined.add(multiplication);
    const [weights, bias] = [graph.fresh(), graph.fresh()];
    return [
      { opType: 'Reshape', input: [scale, graph.ints([channels, 1, 1, 1])], output: [weights] },
      { opType: 'Reshape', input: [shift, graph.ints([channels])], output: [bias] },
      {
        opType: 'Conv',
        input: [images, weights, bias],
        output: node.output,
        attribute: [
          { name: 'group', type: AttributeType.int, i: channels },
          { name: 'kernel_shape', type: AttributeType.ints, ints: [1, 1] },
        ],
      },
    ];
  });
  graph.nodes = graph.nodes.filter((node) => !joined.has(node));
}

/**
 * A convolution adds its bias while it writes its result. ONNX Runtime fuses only constant biases
 * itself.
 */
function joinConvolutionBiases(graph: GraphBuilder): void {
  const { producers, usedOnce } = uses(graph);
  const joined = new Set<Node>();
  graph.nodes = graph.nodes.flatMap((node) => {
    const product = node.input!.find((name) => producers.get(name)?.opType === 'Conv' && usedOnce(name));
    const shape = product === undefined ? undefined : graph.shapes.get(product);
    if (node.opType !== 'Add' || product === undefined || shape === undefined) return [node];
    const convolution = producers.get(product)!;
    const bias = other(node, product);
    if (convolution.input!.length !== 2 || !isPerChannel(graph, bias, shape[1])) return [node];
    joined.add(convolution);
    const list = graph.fresh();
    return [
      { opType: 'Reshape', input: [bias, graph.ints([shape[1]])], output: [list] },
      { ...convolution, input: [...convolution.input!, list], output: node.output },
    ];
  });
  graph.nodes = graph.nodes.filter((node) => !joined.has(node));
}

const other = (node: Node, name: string) => node.input!.find((input) => input !== name);

/** Whether a value has one number per channel of images [N, C, H, W]. */
function isPerChannel(graph: GraphBuilder, name: string | undefined, channels: number): name is string {
  const shape = name === undefined ? undefined : graph.shapes.get(name)?.join();
  return shape === `1,${channels},1,1` || shape === `${channels},1,1`;
}
