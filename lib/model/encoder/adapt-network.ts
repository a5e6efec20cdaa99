import { AttributeType, DataType, type Graph, type Node, type ValueInfo } from '../../onnx/protobuf.js';

/**
 * Nodes at both ends of a network that make it an encoder: colour planes in, one float vector per
 * photo out.
 */

const node = (opType: string, input: string, output: string, ...attribute: Node['attribute'] & object): Node => ({
  ...{ name: output, opType, input: [input], output: [output], attribute },
});

const ints = (name: string, values: number[]) => ({ name, type: AttributeType.ints, ints: values });
const int = (name: string, value: number) => ({ name, type: AttributeType.int, i: value });

/**
 * Makes a network of photos [N, S, S, 3] take [N, 3, S, S] instead.
 * @param graph changed in place.
 * @returns the name of the new input.
 */
export function takePlanes(graph: Graph, input: string): string {
  const planes = `${input}/planes`;
  graph.input = graph.input?.map((value) => (value.name === input ? inPlanes(value, planes) : value));
  graph.node = [node('Transpose', planes, input, ints('perm', [0, 2, 3, 1])), ...(graph.node ?? [])];
  return planes;
}

function inPlanes({ type }: ValueInfo, name: string): ValueInfo {
  const dim = type?.tensorType?.shape?.dim;
  if (!dim) return { name, ...(type && { type }) };
  const [batch, height, width, colours] = dim;
  return { name, type: { tensorType: { ...type.tensorType, shape: { dim: [batch, colours, height, width] } } } };
}

/**
 * Adds nodes that pool a network's output: the mean over its tokens, [N, T, D], or its positions,
 * [N, D, h, w].
 * @param graph changed in place.
 * @returns the name of the pooled output, [N, D].
 */
export function poolOutput(graph: Graph, output: string, rank: 3 | 4): string {
  const [channelsFirst, pooled, features] = ['channels-first', 'pooled', 'features'].map((end) => `${output}/${end}`);
  graph.node = [
    ...(graph.node ?? []),
    ...(rank === 3 ? [node('Transpose', output, channelsFirst, ints('perm', [0, 2, 1]))] : []), // [N, D, T]
    node('GlobalAveragePool', rank === 3 ? channelsFirst : output, pooled),
    node('Flatten', pooled, features, int('axis', 1)), // [N, D]
  ];
  return features;
}

/**
 * Adds a node that converts a half-precision value to floats.
 * @param graph changed in place.
 * @returns the name of the floats.
 */
export function castToFloat(graph: Graph, value: string): string {
  const floats = `${value}/float32`;
  graph.node = [...(graph.node ?? []), node('Cast', value, floats, int('to', DataType.float))];
  return floats;
}
