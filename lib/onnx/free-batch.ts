import { DataType, type Graph, type Node, type Tensor } from './protobuf.js';
import { GraphReader } from './graph-reader.js';

/**
 * Makes the batch size of a network symbolic if it was saved for one photo at a time: the first
 * dimension of the input gets a name instead of 1, and a Reshape to [1, …] keeps the batch size.
 * This is valid for convolutional networks; run the network to see whether it is valid for others.
 *
 * @param graph changed in place.
 */
export function freeBatch(graph: Graph, input: string): void {
  const values = new GraphReader(graph);
  const batch = graph.input?.find(({ name }) => name === input)?.type?.tensorType?.shape?.dim?.[0];
  if (batch) {
    delete batch.dimValue;
    batch.dimParam = 'N';
  }
  for (const [i, node] of (graph.node ?? []).entries()) {
    const shape = reshapesToOne(node, values);
    if (!shape) continue;
    // Other nodes may use the same shape, so this one gets its own.
    const name = `free-batch-${i}`;
    node.input = [node.input![0], name];
    // In a Reshape, 0 keeps the dimension of the input.
    graph.initializer = [...(graph.initializer ?? []), int64Tensor(name, [0, ...shape.slice(1)])];
  }
}

/** The target shape of a Reshape to [1, …], if the node is one. */
function reshapesToOne(node: Node, values: GraphReader): number[] | undefined {
  if (node.opType !== 'Reshape' || values.isConstant(node.input![0])) return undefined;
  if (node.attribute?.some(({ name, i }) => name === 'allowzero' && Number(i ?? 0) !== 0)) return undefined;
  const shape = values.integers(node.input![1]);
  return shape && shape.length > 1 && shape[0] === 1 ? shape : undefined;
}

function int64Tensor(name: string, values: readonly number[]): Tensor {
  const bytes = new DataView(new ArrayBuffer(8 * values.length));
  values.forEach((value, i) => bytes.setBigInt64(8 * i, BigInt(value), true));
  return { name, dims: [values.length], dataType: DataType.int64, rawData: new Uint8Array(bytes.buffer) };
}
