import { AttributeType, DataType, type Graph } from './protobuf.js';

/** Names of what {@link addLikeliest} adds to a graph. */
export const likeliest = {
  /** Input: how many, [1] int64. */
  count: 'likeliest/count',
  /** Outputs, [rows, count]: the greatest values, the greatest first, and their places, int32. */
  values: 'likeliest/values',
  places: 'likeliest/places',
} as const;

/**
 * Lets a graph give the greatest values of each row of one of its outputs, and their places, beside the whole rows: what isn't fetched is not
 * copied, and of a vocabulary of thousands a search wants a few words.
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
