import { type Graph, type Node, type Tensor } from './protobuf.js';

/** A node that computes x W or x W + b. */
export interface Product {
  readonly x: string;
  /** [K, N] */
  readonly weight: Tensor;
  /** [N] */
  readonly bias?: Tensor;
  /** [M, N] */
  readonly output: string;
}

/** The product that a node computes, if it is one of a value and a weight. */
export function productOf({ opType, attribute, input = [], output }: Node, weights: Weights): Product | undefined {
  const [x, kernel, b] = input;
  const [weight, bias] = [weights.get(kernel), b ? weights.get(b) : undefined];
  if (opType !== 'Gemm' || attribute?.length || weights.has(x) || !weight?.rawData || (b && !bias)) return undefined;
  return { x, weight, bias, output: output![0] };
}

/** A graph's weights by name. */
export type Weights = ReadonlyMap<string, Tensor>;

export const weightsOf = ({ initializer = [] }: Graph): Weights =>
  new Map(initializer.map((tensor) => [tensor.name ?? '', tensor]));

/** The Gemm node of a product. */
export const productNode = ({ x, weight, bias, output }: Product): Node => ({
  opType: 'Gemm',
  input: [x, weight.name!, ...(bias ? [bias.name!] : [])],
  output: [output],
});

/**
 * The values of a graph that lie within [-1, 1]: sigmoids, tanhs, products of these, and the
 * `given` inputs.
 */
export function boundedValues({ node }: Graph, given: ReadonlySet<string> = new Set()): Set<string> {
  const bounded = new Set(given);
  for (const { opType, input, output } of node!) {
    const is = opType === 'Sigmoid' || opType === 'Tanh' || (opType === 'Mul' && input!.every((x) => bounded.has(x)));
    if (is) bounded.add(output![0]);
  }
  return bounded;
}

/** The numbers of a float tensor. */
export function floatsOf({ rawData }: Tensor): Float32Array {
  const { buffer, byteOffset, length } = rawData!;
  // Typed arrays need aligned offsets; a copy is aligned.
  if (byteOffset % 4 !== 0) return new Float32Array(new Uint8Array(rawData!).buffer);
  return new Float32Array(buffer, byteOffset, length / 4);
}

const valuesRead = (nodes: readonly Node[]): Set<string> => new Set(nodes.flatMap(({ input }) => input ?? []));

/** Removes nodes and weights that nothing reads. */
export function removeUnread(graph: Graph): void {
  for (let before = Infinity; graph.node!.length < before;) {
    before = graph.node!.length;
    const wanted = new Set([...valuesRead(graph.node!), ...graph.output!.map(({ name }) => name)]);
    graph.node = graph.node!.filter(({ output }) => output!.some((value) => wanted.has(value)));
  }
  const read = valuesRead(graph.node!);
  graph.initializer = graph.initializer?.filter(({ name }) => read.has(name ?? ''));
}
