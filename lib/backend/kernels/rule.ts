import type { GraphBuilder, Operand } from '../../onnx/graph-builder.js';

/** The inputs of a kernel by TensorFlow.js' names ('x', 'a', 'b', …), or '0', '1', … for a list. */
export type Operands = Record<string, Operand>;

/**
 * The translation of one TensorFlow.js kernel into ONNX. The same rule serves eager execution (as a separate
 * small graph) and tracing (appended to the graph of the step).
 */
export interface KernelRule {
  /** Appends the nodes and returns the names of the kernel's outputs. */
  emit(graph: GraphBuilder, inputs: Operands, attributes: Attributes): string | string[];
  /**
   * Whether the nodes depend only on the ranks of the inputs, so that one session serves all sizes.
   */
  readonly anyShape?: boolean;
  /**
   * Number of multiplications or copies, if more than the largest input. Small work stays in
   * JavaScript.
   */
  work?(inputs: Operands, attributes: Attributes): number;
  /** Whether the kernel is worth all cores even when run alone. */
  readonly threaded?: boolean;
}

export type Attributes = Readonly<Record<string, unknown>>;

/**
 * A rule with typed attributes. Kernels are registered by name, so the compiler can't infer the
 * type.
 */
export function rule<A extends object>(
  emit: (graph: GraphBuilder, inputs: Operands, attributes: A) => string | string[],
  options: Omit<KernelRule, 'emit' | 'work'> & { work?(inputs: Operands, attributes: A): number } = {},
): KernelRule {
  return { ...options, emit } as unknown as KernelRule;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, d) => product * d, 1);
}
