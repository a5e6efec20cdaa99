import type { GraphBuilder, Operand } from '../../onnx/graph-builder.js';

/** The inputs of a kernel by TensorFlow.js' names for them ('x', 'a', 'b', …; '0', '1', … where they are a list). */
export type Operands = Record<string, Operand>;

/**
 * How one TensorFlow.js kernel is written in ONNX. The same rule serves eager execution (a small graph of its own) and tracing
 * (its nodes are appended to the graph of the step).
 */
export interface KernelRule {
  /** Appends the nodes and returns the names of the kernel's outputs. */
  emit(graph: GraphBuilder, inputs: Operands, attributes: Attributes): string | string[];
  /** The nodes depend on the ranks of the inputs alone, not on their dimensions: one session serves all sizes. */
  readonly anyShape?: boolean;
  /** Multiplications or copies the kernel does, where that is more than its largest input: small work stays in JavaScript. */
  work?(inputs: Operands, attributes: Attributes): number;
  /** Worth all cores also when run alone. */
  readonly threaded?: boolean;
}

export type Attributes = Readonly<Record<string, unknown>>;

/** A rule whose attributes have a known type (kernels are registered by name, so the compiler cannot know it). */
export function rule<A extends object>(
  emit: (graph: GraphBuilder, inputs: Operands, attributes: A) => string | string[],
  options: Omit<KernelRule, 'emit' | 'work'> & { work?(inputs: Operands, attributes: A): number } = {},
): KernelRule {
  return { ...options, emit } as unknown as KernelRule;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, d) => product * d, 1);
}
