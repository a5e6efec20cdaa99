import type { Graph } from '../../onnx/protobuf.js';
import { encoderValues } from './encoder-file.js';

/** Names of a network's input and outputs. */
export interface NetworkValues {
  readonly input: string;
  readonly features: string;
  readonly map?: string | undefined;
}

/**
 * Gives a network's input and outputs the names that an encoder's file has.
 * @param graph changed in place.
 */
export function nameValues(graph: Graph, { input, features, map }: NetworkValues): void {
  rename(graph, input, encoderValues.input);
  rename(graph, features, encoderValues.features);
  if (map !== undefined) rename(graph, map, encoderValues.map);
}

/** Renames a value. A value that already has the name gets a new one. */
function rename(graph: Graph, from: string, to: string): void {
  if (from === to) return;
  const renamed = (name: string) => (name === from ? to : name === to ? `${to}#` : name);
  for (const node of graph.node ?? []) {
    node.input = node.input?.map(renamed);
    node.output = node.output?.map(renamed);
  }
  for (const value of [...(graph.input ?? []), ...(graph.output ?? []), ...(graph.initializer ?? [])]) {
    value.name = renamed(value.name ?? '');
  }
}
