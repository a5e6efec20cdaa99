import { util, type DataType as TfDataType } from '@tensorflow/tfjs-core';
import { DataType } from '../../onnx/protobuf.js';
import { isDtype, onnxType, type GraphBuilder } from '../../onnx/graph-builder.js';
import { sumRows } from './row-sum.js';
import { rule, sizeOf, type KernelRule } from './rule.js';

const int64 = (g: GraphBuilder, indices: string) => g.cast(indices, DataType.int64);

export const indexing: Record<string, KernelRule> = {
  GatherV2: rule<{ axis: number; batchDims: number }>(
    (g, { x, indices }, { axis, batchDims }) => {
      if (batchDims !== 0) throw new Error('batch dimensions of gather are not supported');
      const [resolved] = util.parseAxisParam(axis, [...x.shape]);
      return g.node('Gather', [x.name, indices.name], { axis: resolved });
    },
    {
      anyShape: true,
      // Only the selected rows are copied.
      work: ({ x, indices }, { axis }) =>
        sizeOf(indices.shape) * (sizeOf(x.shape) / Math.max(1, x.shape.at(axis) ?? 1)),
    },
  ),

  GatherNd: rule((g, { params, indices }) => g.node('GatherND', [params.name, int64(g, indices.name)]), {
    anyShape: true,
    work: ({ params, indices }) =>
      (sizeOf(indices.shape) / (indices.shape.at(-1) || 1)) * sizeOf(params.shape.slice(indices.shape.at(-1) ?? 0)),
  }),

  TensorScatterUpdate: rule((g, { tensor, indices, updates }) => {
    const places = int64(g, indices.name);
    if (tensor.shape.length > 1) return g.node('ScatterND', [tensor.name, places, updates.name]);
    // Single numbers: ScatterElements writes them in place, where ScatterND copies the tensor.
    return g.node('ScatterElements', [tensor.name, g.node('Reshape', [places, g.ints([-1])]), updates.name]);
  }),

  ScatterNd: rule<{ shape: number[] }>((g, { indices, updates }, { shape }) => {
    const depth = indices.shape.at(-1) ?? 1;
    // Several coordinates form one index into the flattened leading dimensions: sum_i index_i *
    // stride_i.
    const strides = shape.slice(0, depth).map((_, i) => sizeOf(shape.slice(i + 1, depth)));
    const weighed = g.node('Mul', [int64(g, indices.name), g.ints(strides)]);
    const places = g.node('ReduceSum', [weighed, g.ints([-1])], { keepdims: 0 });
    const sums = sumRows(g, updates, places, sizeOf(shape.slice(0, depth)), shape.slice(depth));
    return g.node('Reshape', [sums, g.ints(shape)]);
  }),

  // The gradient of an embedding lookup: sums rows of x by segment.
  UnsortedSegmentSum: rule<{ numSegments: number }>((g, { x, segmentIds }, { numSegments }) =>
    sumRows(g, x, int64(g, segmentIds.name), numSegments, x.shape.slice(segmentIds.shape.length)),
  ),

  // ONNX Runtime's own OneHot is many times slower than a comparison with 0, 1, 2, …
  OneHot: rule<{ depth: number; onValue: number; offValue: number; dtype: TfDataType }>(
    (g, { indices }, { depth, onValue, offValue, dtype }) => {
      if (!isDtype(dtype)) throw new Error(`one-hot of ${dtype} is not supported`);
      const range = g.constant(
        DataType.int32,
        [depth],
        Int32Array.from({ length: depth }, (_, i) => i),
      );
      const column = g.node('Unsqueeze', [indices.name, g.ints([indices.shape.length])]);
      const hot = g.node('Equal', [column, range]);
      if (onValue === 1 && offValue === 0) return g.cast(hot, onnxType(dtype));
      return g.node('Where', [hot, g.scalar(onValue, dtype), g.scalar(offValue, dtype)]);
    },
    { anyShape: true, work: ({ indices }, { depth }) => sizeOf(indices.shape) * depth },
  ),
};
