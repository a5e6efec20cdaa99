import type { GraphBuilder, Operand } from '../../onnx/graph-builder.js';
import { rule, sizeOf, type KernelRule } from './rule.js';

interface Transposes {
  transposeA?: boolean;
  transposeB?: boolean;
}

/** A x B for any rank. Matrices use Gemm, which transposes for free and adds a bias. */
function product(
  g: GraphBuilder,
  a: Operand,
  b: Operand,
  { transposeA, transposeB }: Transposes,
  bias?: string,
): string {
  if (a.shape.length === 2 && b.shape.length === 2) {
    const inputs = [a.name, b.name, ...(bias === undefined ? [] : [bias])];
    return g.node('Gemm', inputs, { ...(transposeA && { transA: 1 }), ...(transposeB && { transB: 1 }) });
  }
  const [left, right] = [swapLast(g, a, transposeA), swapLast(g, b, transposeB)];
  const y = g.node('MatMul', [left, right]);
  return bias === undefined ? y : g.node('Add', [y, bias]);
}

function swapLast(g: GraphBuilder, { name, shape }: Operand, transpose = false): string {
  if (!transpose) return name;
  const perm = shape.map((_, i) => i);
  [perm[perm.length - 2], perm[perm.length - 1]] = [perm[perm.length - 1], perm[perm.length - 2]];
  return g.node('Transpose', [name], { perm });
}

/** Activations of fused kernels, by TensorFlow.js' names. */
export const activations: Record<string, (g: GraphBuilder, x: string, alpha?: number, slope?: string) => string> = {
  linear: (_, x) => x,
  relu: (g, x) => g.node('Relu', [x]),
  relu6: (g, x) => g.node('Clip', [x, g.scalar(0), g.scalar(6)]),
  elu: (g, x) => g.node('Elu', [x]),
  sigmoid: (g, x) => g.node('Sigmoid', [x]),
  leakyrelu: (g, x, alpha = 0.2) => g.node('LeakyRelu', [x], { alpha: { float: alpha } }),
  prelu: (g, x, _, slope = '') => g.node('PRelu', [x, slope]),
};

const multiplications = (a: Operand, b: Operand, transposeB = false) =>
  sizeOf(a.shape) * b.shape[b.shape.length - (transposeB ? 2 : 1)];

export const linear: Record<string, KernelRule> = {
  BatchMatMul: rule<Transposes>((g, { a, b }, transposes) => product(g, a, b, transposes), {
    anyShape: true,
    threaded: true,
    work: ({ a, b }, { transposeB }) => multiplications(a, b, transposeB),
  }),
  _FusedMatMul: rule<Transposes & { activation: string; leakyreluAlpha?: number }>(
    (g, { a, b, bias, preluActivationWeights }, { activation, leakyreluAlpha, ...transposes }) => {
      const y = product(g, a, b, transposes, bias?.name);
      return activations[activation](g, y, leakyreluAlpha, preluActivationWeights?.name);
    },
    { anyShape: true, threaded: true, work: ({ a, b }, { transposeB }) => multiplications(a, b, transposeB) },
  ),
};
