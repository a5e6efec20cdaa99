import { DataType, numbers, type Graph, type Node, type Tensor, type ValueInfo } from './protobuf.js';

/** An ONNX graph with its values looked up by name. */
export class GraphReader {
  private readonly producers = new Map<string, Node>();
  private readonly weights = new Map<string, Tensor>();
  private readonly constants = new Map<string, boolean>();

  constructor(private readonly graph: Graph) {
    for (const node of graph.node ?? []) for (const output of node.output ?? []) this.producers.set(output, node);
    for (const tensor of graph.initializer ?? []) this.weights.set(tensor.name ?? '', tensor);
  }

  /** Inputs without weights, which old files list as inputs too. */
  get inputs(): ValueInfo[] {
    return (this.graph.input ?? []).filter(({ name }) => !this.weights.has(name));
  }

  /** The node that computes a value. */
  producer(value: string): Node | undefined {
    return this.producers.get(value);
  }

  /** The nodes that use a value. */
  consumers(value: string): Node[] {
    return (this.graph.node ?? []).filter(({ input }) => input?.includes(value));
  }

  /** A node's inputs that are not constant. */
  dataInputs(node: Node): string[] {
    return (node.input ?? []).filter((value) => value !== '' && !this.isConstant(value));
  }

  /** The tensor of a weight or of a Constant node. */
  tensor(value: string): Tensor | undefined {
    const node = this.producers.get(value);
    return (
      this.weights.get(value) ?? node?.attribute?.find(({ name }) => node.opType === 'Constant' && name === 'value')?.t
    );
  }

  /** The shape of a constant, if it is known without computing it. */
  shape(value: string): number[] | undefined {
    const tensor = this.tensor(value);
    if (tensor) return numbers(tensor.dims);
    const node = this.producers.get(value);
    if (node?.opType === 'Identity' || node?.opType === 'DequantizeLinear') return this.shape(node.input![0]);
    if (node?.opType !== 'Transpose') return undefined;
    const shape = this.shape(node.input![0]);
    const order = node.attribute?.find(({ name }) => name === 'perm');
    return order ? shape && numbers(order.ints).map((axis) => shape[axis]) : shape?.reverse();
  }

  /** The integers of a constant int64 tensor. */
  integers(value: string): number[] | undefined {
    const tensor = this.tensor(value);
    if (tensor?.dataType !== DataType.int64) return undefined;
    if (!tensor.rawData?.length) return numbers(tensor.int64Data);
    const { buffer, byteOffset, byteLength } = tensor.rawData;
    const view = new DataView(buffer, byteOffset, byteLength);
    return Array.from({ length: byteLength / 8 }, (_, i) => Number(view.getBigInt64(8 * i, true)));
  }

  /** The DataType of a value: that of its node's first input, unless the node is a Cast. */
  elementType(value: string): number | undefined {
    const node = this.producers.get(value);
    if (!node) {
      const input = this.graph.input?.find(({ name }) => name === value);
      return this.tensor(value)?.dataType ?? input?.type?.tensorType?.elemType;
    }
    if (node.opType === 'Cast') return Number(node.attribute?.find(({ name }) => name === 'to')?.i);
    const [from = node.input?.[0]] = this.dataInputs(node);
    return from === undefined ? this.tensor(value)?.dataType : this.elementType(from);
  }

  /** The part of the graph that computes `outputs`, without stored shapes. */
  cut(outputs: readonly string[]): Graph {
    const needed = new Set<string>();
    const queue = [...outputs];
    const kept = new Set<Node>();
    for (let value = queue.pop(); value !== undefined; value = queue.pop()) {
      if (needed.has(value)) continue;
      needed.add(value);
      const node = this.producers.get(value);
      if (!node || kept.has(node)) continue;
      kept.add(node);
      queue.push(...valuesRead(node));
    }
    return {
      name: this.graph.name ?? 'encoder',
      node: this.graph.node!.filter((node) => kept.has(node)),
      initializer: this.graph.initializer?.filter(({ name }) => needed.has(name ?? '')),
      input: this.inputs,
      output: outputs.map((name) => ({ name, type: { tensorType: { elemType: DataType.float } } })),
    };
  }

  /** Whether a value is the same for every photo. */
  isConstant(value: string): boolean {
    let known = this.constants.get(value);
    if (known === undefined) {
      const node = this.producers.get(value);
      known = node ? valuesRead(node).every((input) => this.isConstant(input)) : this.weights.has(value);
      this.constants.set(value, known);
    }
    return known;
  }
}

/** The values that a node reads, including those read within its loops and branches. */
function valuesRead(node: Node): string[] {
  const bodies = (node.attribute ?? []).flatMap(({ g }) => (g ? (g.node ?? []) : []));
  return [...(node.input ?? []), ...bodies.flatMap(valuesRead)].filter((value) => value !== '');
}
