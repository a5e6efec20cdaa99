import { DataType, type Graph, type Node, type Tensor } from './protobuf.js';
import { GraphReader } from './graph-reader.js';

/**
 * Lets a network that was saved for one photo at a time take any number: its input's first dimension gets a name instead of
 * the 1, and a Reshape to [1, …] becomes one to [as many as there are, …].
 * That suits convolutional networks. Whether it suits this one, only running it can tell.
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
    // A shape may be used by other nodes, too: this one gets its own.
    const name = `free-batch-${i}`;
    node.input = [node.input![0], name];
    // To Reshape, 0 means: as in the input.
    graph.initializer = [...(graph.initializer ?? []), int64Tensor(name, [0, ...shape.slice(1)])];
  }
}

/** The shape of a Reshape of photos' values to [1, …]. */
function reshapesToOne(node: Node, values: GraphReader): number[] | undefined {
  if (node.opType !== 'Reshape' || values.isConstant(node.input![0])) return undefined;
  if (node.attribute?.some(({ name, i }) => name === 'allowzero' && Number(i) !== 0)) return undefined;
  const shape = values.integers(node.input![1]);
  return shape && shape.length > 1 && shape[0] === 1 ? shape : undefined;
}

function int64Tensor(name: string, values: readonly number[]): Tensor {
  const bytes = new DataView(new ArrayBuffer(8 * values.length));
  values.forEach((value, i) => bytes.setBigInt64(8 * i, BigInt(value), true));
  return { name, dims: [values.length], dataType: DataType.int64, rawData: new Uint8Array(bytes.buffer) };
}
