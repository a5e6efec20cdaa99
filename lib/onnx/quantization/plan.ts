import { floatConstant, type Constant } from '../constants.js';
import { GraphReader } from '../graph-reader.js';
import type { Graph, Node } from '../protobuf.js';

/** A convolution or a product with constant weights. */
export interface WeightedStep {
  readonly kind: 'convolution' | 'product';
  readonly node: Node;
  readonly x: string;
  /** [O, I / g, kh, kw] of a convolution; of a product, the second matrix of its node. */
  readonly weight: Constant;
  readonly bias?: Constant | undefined;
  readonly output: string;
}

/** A part of a network: computed in 8 bits, except for the kind `float`. */
export type Step =
  | WeightedStep
  | { readonly kind: 'sum'; readonly terms: readonly [string, string]; readonly output: string }
  | { readonly kind: 'pool'; readonly node: Node; readonly x: string; readonly output: string }
  | { readonly kind: 'float'; readonly node: Node };

/** The steps of a network, in order. */
export interface QuantizationPlan {
  readonly steps: readonly Step[];
  /** Values that are rounded to 8 bits: their statistics have to be known. */
  readonly rounded: readonly string[];
}

/**
 * Divides a network into steps. Convolutions and Gemm with constant weights are computed in 8 bits, and so are the sums and maximum
 * poolings of convolutions' results. A ReLU, or a Clip from 0 on, after a convolution or sum belongs to its step: a range that begins
 * at 0 and ends at the greatest value cuts off the same numbers.
 *
 * @param graph a network after `foldAffine`.
 * @param keep names of nodes, or of their outputs, that stay in floats.
 */
export function planQuantization(graph: Graph, keep: ReadonlySet<string> = new Set()): QuantizationPlan {
  return new Planner(graph, keep).plan();
}

class Planner {
  private readonly reader: GraphReader;
  private readonly outputs: ReadonlySet<string>;
  /** Activations that belong to the step before them. */
  private readonly absorbed = new Set<Node>();
  /** Values that a step gives in 8 bits. */
  private readonly bytes = new Set<string>();
  private readonly rounded = new Set<string>();

  constructor(
    private readonly graph: Graph,
    private readonly keep: ReadonlySet<string>,
  ) {
    this.reader = new GraphReader(graph);
    this.outputs = new Set(graph.output?.map(({ name }) => name));
  }

  plan(): QuantizationPlan {
    const steps: Step[] = [];
    for (const node of this.graph.node ?? []) if (!this.absorbed.has(node)) steps.push(this.step(node));
    return { steps, rounded: [...this.rounded] };
  }

  private step(node: Node): Step {
    const [output] = node.output ?? [];
    const kept = [node.name, output].some((name) => name !== undefined && this.keep.has(name));
    return (kept ? undefined : this.eightBits(node, output)) ?? { kind: 'float', node };
  }

  private eightBits(node: Node, output: string): Step | undefined {
    const [x, w] = node.input ?? [];
    switch (node.opType) {
      case 'Add':
        return this.bytes.has(x) && this.bytes.has(w)
          ? { kind: 'sum', terms: [x, w], output: this.give(output) }
          : undefined;
      case 'MaxPool':
        if (!this.bytes.has(x) || node.output?.length !== 1) return undefined;
        this.bytes.add(output);
        return { kind: 'pool', node, x, output };
      case 'Conv':
      case 'Gemm':
        return this.weighted(node, output);
    }
    return undefined;
  }

  private weighted(node: Node, output: string): Step | undefined {
    const [x, w, b] = node.input ?? [];
    const weight = floatConstant(this.reader, w);
    const bias = b ? floatConstant(this.reader, b) : undefined;
    if (!weight || (b && !bias) || this.reader.isConstant(x)) return undefined;
    if (node.opType === 'Gemm' && !isPlain(node)) return undefined;
    if (!this.bytes.has(x)) this.rounded.add(x);
    if (node.opType === 'Gemm') return { kind: 'product', node, x, weight, bias, output };
    return { kind: 'convolution', node, x, weight, bias, output: this.give(output) };
  }

  /** Notes a result in 8 bits, and takes the activation after it in. @returns the value after that. */
  private give(output: string): string {
    const [next, ...others] = this.reader.consumers(output);
    const absorbs = next !== undefined && !others.length && !this.outputs.has(output) && this.isRectifier(next);
    if (absorbs) this.absorbed.add(next);
    const end = absorbs ? next.output![0] : output;
    this.bytes.add(end);
    this.rounded.add(end);
    return end;
  }

  /** Whether a node cuts values off at 0, and possibly at a greatest value. */
  private isRectifier({ name, opType, input = [], output = [], attribute = [] }: Node): boolean {
    if ([name, output[0]].some((each) => each !== undefined && this.keep.has(each))) return false;
    if (opType === 'Relu') return true;
    if (opType !== 'Clip') return false;
    const given = attribute.find((each) => each.name === 'min')?.f;
    return (input[1] ? floatConstant(this.reader, input[1])?.data[0] : given) === 0;
  }
}

/** Whether a Gemm is x W + b, without factors and without a transposed x. */
function isPlain({ attribute = [] }: Node): boolean {
  const named = (name: string) => attribute.find((each) => each.name === name);
  return (named('alpha')?.f ?? 1) === 1 && (named('beta')?.f ?? 1) === 1 && Number(named('transA')?.i ?? 0) === 0;
}
