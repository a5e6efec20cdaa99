import type { GraphBuilder } from '../onnx/graph-builder.js';
import type { Node } from '../onnx/protobuf.js';

/** The node that produces each value, and the nodes that consume it. */
export function uses(graph: GraphBuilder) {
  const producers = new Map<string, Node>();
  const consumers = new Map<string, Node[]>();
  for (const node of graph.nodes) {
    for (const output of node.output!) producers.set(output, node);
    for (const input of node.input!) consumers.set(input, [...(consumers.get(input) ?? []), node]);
  }
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const usedOnce = (name: string) => consumers.get(name)?.length === 1 && !outputs.has(name);
  return { producers, consumers, usedOnce };
}
