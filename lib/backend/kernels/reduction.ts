import { util } from '@tensorflow/tfjs-core';
import { DataType } from '../../onnx/protobuf.js';
import type { GraphBuilder } from '../../onnx/graph-builder.js';
import { rule, type KernelRule } from './rule.js';

interface Axes {
  axis?: number | number[];
  /** Max's name for its axes. */
  reductionIndices?: number | number[];
  keepDims?: boolean;
}

function reduce(g: GraphBuilder, op: string, x: string, shape: readonly number[], attributes: Axes): string {
  const { axis, reductionIndices = axis, keepDims } = attributes;
  const axes = util.parseAxisParam(reductionIndices as number | number[], [...shape]);
  // An empty list of axes means all axes in ONNX and none in TensorFlow.js. It can only come from a
  // scalar.
  if (axes.length === 0) return g.node('Identity', [x]);
  return g.node(op, [x, g.ints(axes)], { keepdims: keepDims ? 1 : 0 });
}

// Axes depend on the rank alone, so the nodes fit any dimensions.
const reduction = (op: string) =>
  rule<Axes>((g, { x }, axes) => reduce(g, op, x.name, x.shape, axes), { anyShape: true });

const logical = (op: string) =>
  rule<Axes>((g, { x }, axes) => g.cast(reduce(g, op, g.cast(x.name, DataType.int32), x.shape, axes), DataType.bool), {
    anyShape: true,
  });

const arg = (op: string) =>
  rule<{ axis: number }>(
    (g, { x }, { axis }) => {
      const [resolved] = util.parseAxisParam(axis, [...x.shape]);
      return g.cast(g.node(op, [x.name], { axis: resolved, keepdims: 0 }), DataType.int32);
    },
    { anyShape: true },
  );

export const reductions: Record<string, KernelRule> = {
  Sum: reduction('ReduceSum'),
  Mean: rule<Axes>(
    (g, { x }, axes) => {
      const values = x.dtype === 'float32' ? x.name : g.cast(x.name, DataType.float);
      return reduce(g, 'ReduceMean', values, x.shape, axes);
    },
    { anyShape: true },
  ),
  Max: reduction('ReduceMax'),
  Min: reduction('ReduceMin'),
  Prod: reduction('ReduceProd'),
  All: logical('ReduceMin'),
  Any: logical('ReduceMax'),
  ArgMax: arg('ArgMax'),
  ArgMin: arg('ArgMin'),
  Softmax: rule<{ dim: number }>((g, { logits }, { dim }) => g.node('Softmax', [logits.name], { axis: dim }), {
    anyShape: true,
  }),
  Cumsum: rule<{ axis: number; exclusive: boolean; reverse: boolean }>(
    (g, { x }, { axis, exclusive, reverse }) =>
      g.node('CumSum', [x.name, g.constant(DataType.int64, [], BigInt64Array.of(BigInt(axis)))], {
        exclusive: exclusive ? 1 : 0,
        reverse: reverse ? 1 : 0,
      }),
    { anyShape: true },
  ),
  TopK: rule<{ k: number; sorted: boolean }>(
    (g, { x }, { k, sorted }) => {
      const [values, indices] = g.nodeOf(2, 'TopK', [x.name, g.ints([k])], { sorted: sorted ? 1 : 0 });
      return [values, g.cast(indices, DataType.int32)];
    },
    { anyShape: true },
  ),
};
