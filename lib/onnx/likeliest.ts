import { AttributeType, DataType, type Graph } from './protobuf.js';

/** Names of the values that {@link addLikeliest} adds to a graph. */
export const likeliest = {
  /** Input: k, [1] int64. */
  count: 'likeliest/count',
  /** Outputs, [rows, k]: the greatest values in descending order, and their int32 indices. */
  values: 'likeliest/values',
  places: 'likeliest/places',
} as const;

/**
 * Adds the top k of each row of an output to a graph's outputs. A search needs a few words of a
 * vocabulary of thousands, and outputs that are not fetched are not copied.
 *
 * @param graph changed in place.
 * @param output one of its outputs, [rows, V] float32.
 */
export function addLikeliest(graph: Graph, output: string): void {
  const { count, values, places } = likeliest;
  const wide = `${places}/int64`;
  graph.node!.push(
    {
      opType: 'TopK',
      input: [output, count],
      output: [values, wide],
      attribute: [{ name: 'axis', type: AttributeType.int, i: 1 }],
    },
    {
      opType: 'Cast',
      input: [wide],
      output: [places],
      attribute: [{ name: 'to', type: AttributeType.int, i: DataType.int32 }],
    },
  );
  const shape = { dim: [{ dimValue: 1 }] };
  graph.input = [...(graph.input ?? []), { name: count, type: { tensorType: { elemType: DataType.int64, shape } } }];
  graph.output = [
    ...(graph.output ?? []),
    { name: values, type: { tensorType: { elemType: DataType.float } } },
    { name: places, type: { tensorType: { elemType: DataType.int32 } } },
  ];
}
