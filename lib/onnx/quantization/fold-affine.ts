import { floatConstant, type Constant } from '../constants.js';
import { GraphReader } from '../graph-reader.js';
import { removeUnread } from '../products.js';
import { bytesOf } from '../graph-builder.js';
import { DataType, type Graph, type Node, type Tensor } from '../protobuf.js';

/** A scale and a shift of each channel: y = scale x + shift. */
interface Affine {
  readonly scale: Float64Array;
  readonly shift: Float64Array;
}

/**
 * Folds scales and shifts of channels into the convolutions before them: BatchNormalization in inference mode, and Add, Sub, Mul or
 * Div with a constant of each channel. Every convolution with constant weights gets float32 weights and its
 * own bias. The function that the network computes stays the same.
 *
 * @param graph changed in place.
 */
export function foldAffine(graph: Graph): void {
  const reader = new GraphReader(graph);
  const outputs = new Set(graph.output?.map(({ name }) => name));
  const folded = new Set<Node>();
  const initializers: Tensor[] = [];
  const nodes = (graph.node ?? []).map((node) => {
    const weight = node.opType === 'Conv' ? floatConstant(reader, node.input![1]) : undefined;
    const given = node.input?.[2] ? floatConstant(reader, node.input[2]) : undefined;
    if (!weight || (node.input?.[2] && !given)) return node;
    const kernel = Float64Array.from(weight.data);
    const bias = Float64Array.from(given?.data ?? new Float32Array(weight.shape[0]));
    let output = node.output![0];
    for (;;) {
      const [next, ...others] = reader.consumers(output);
      if (next === undefined || others.length > 0 || outputs.has(output)) break;
      const affine = affineOf(next, output, reader, bias.length);
      if (!affine) break;
      apply(affine, kernel, bias);
      folded.add(next);
      output = next.output![0];
    }
    const names = [`${output}/weight`, `${output}/bias`];
    initializers.push(
      floats(names[0], weight.shape, Float32Array.from(kernel)),
      floats(names[1], [bias.length], Float32Array.from(bias)),
    );
    return { ...node, input: [node.input![0], ...names], output: [output] };
  });
  graph.node = nodes.filter((node) => !folded.has(node));
  graph.initializer = [...(graph.initializer ?? []), ...initializers];
  removeUnread(graph);
}

function apply({ scale, shift }: Affine, kernel: Float64Array, bias: Float64Array): void {
  const size = kernel.length / bias.length;
  for (let i = 0; i < kernel.length; i++) kernel[i] *= scale[Math.floor(i / size)];
  for (let c = 0; c < bias.length; c++) bias[c] = bias[c] * scale[c] + shift[c];
}

/** The scale and shift that a node applies to `value` [N, C, h, w], if it does nothing else. */
function affineOf(node: Node, value: string, graph: GraphReader, channels: number): Affine | undefined {
  if (node.opType === 'BatchNormalization') return batchNormalization(node, value, graph);
  const [a, b] = node.input ?? [];
  if (!['Add', 'Sub', 'Mul', 'Div'].includes(node.opType) || a === b) return undefined;
  const commutes = node.opType === 'Add' || node.opType === 'Mul';
  if (a !== value && !commutes) return undefined;
  const constant = floatConstant(graph, a === value ? b : a);
  const numbers = constant && perChannel(constant, channels);
  if (!numbers) return undefined;
  const one = new Float64Array(channels).fill(1);
  const zero = new Float64Array(channels);
  switch (node.opType) {
    case 'Add':
      return { scale: one, shift: numbers };
    case 'Sub':
      return { scale: one, shift: numbers.map((x) => -x) };
    case 'Mul':
      return { scale: numbers, shift: zero };
    default:
      return { scale: numbers.map((x) => 1 / x), shift: zero };
  }
}

/** y = gamma (x - mean) / sqrt(variance + epsilon) + beta: https://onnx.ai/onnx/operators/onnx__BatchNormalization.html */
function batchNormalization(node: Node, value: string, graph: GraphReader): Affine | undefined {
  const [x, ...parameters] = node.input ?? [];
  const [gamma, beta, mean, variance] = parameters.map((name) => floatConstant(graph, name)?.data);
  if (x !== value || !gamma || !beta || !mean || !variance) return undefined;
  const epsilon = node.attribute?.find(({ name }) => name === 'epsilon')?.f ?? 1e-5;
  const scale = Float64Array.from(gamma, (g, c) => g / Math.sqrt(variance[c] + epsilon));
  return { scale, shift: Float64Array.from(beta, (b, c) => b - mean[c] * scale[c]) };
}

/** A constant's number for each channel, if it broadcasts to [N, C, h, w] along the channels alone. */
function perChannel({ shape, data }: Constant, channels: number): Float64Array | undefined {
  if (data.length === 1) return new Float64Array(channels).fill(data[0]);
  const dims = [1, 1, 1, 1, ...shape].slice(-4);
  return shape.length <= 4 && dims.join() === [1, channels, 1, 1].join() ? Float64Array.from(data) : undefined;
}

const floats = (name: string, shape: readonly number[], data: Float32Array): Tensor => ({
  name,
  dims: [...shape],
  dataType: DataType.float,
  rawData: bytesOf(data),
});
