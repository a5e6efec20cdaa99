import { backend_util, slice_util, util, type Tensor } from '@tensorflow/tfjs-core';
import type { GraphBuilder, Operand } from '../../onnx/graph-builder.js';
import { rule, sizeOf, type KernelRule } from './rule.js';

/** The end of an axis of any length. */
const END = Number.MAX_SAFE_INTEGER;

function slice(g: GraphBuilder, x: Operand, begin: number[], size: number[]): string {
  // Axes kept whole are not named, so that the nodes fit any batch size.
  const axes = x.shape.map((_, i) => i).filter((i) => begin[i] !== 0 || size[i] !== x.shape[i]);
  if (axes.length === 0) return g.node('Identity', [x.name]);
  const ends = axes.map((i) => (begin[i] + size[i] === x.shape[i] ? END : begin[i] + size[i]));
  return g.node('Slice', [x.name, g.ints(axes.map((i) => begin[i])), g.ints(ends), g.ints(axes)]);
}

/** A reshape that copies unchanged leading dimensions (0 in ONNX), so that it fits any batch size. */
export function reshape(g: GraphBuilder, x: string, from: readonly number[], to: readonly number[]): string {
  let kept = 0;
  while (kept < Math.min(from.length, to.length) && from[kept] === to[kept] && to[kept] !== 0) kept++;
  return g.node('Reshape', [x, g.ints(to.map((d, i) => (i < kept ? 0 : d)))]);
}

const list = (inputs: Record<string, Operand>) => Object.values(inputs);

export const shapes: Record<string, KernelRule> = {
  Transpose: rule<{ perm: number[] }>(
    (g, { x }, { perm }) =>
      perm.every((axis, i) => axis === i) ? g.node('Identity', [x.name]) : g.node('Transpose', [x.name], { perm }),
    { anyShape: true },
  ),

  Slice: rule<{ begin: number[]; size: number[] }>((g, { x }, { begin, size }) => {
    const [from, extent] = slice_util.parseSliceParams({ shape: [...x.shape] } as Tensor, begin, size);
    return slice(g, x, from, extent);
  }),

  StridedSlice: rule<StridedSliceAttributes>((g, { x }, a) => {
    const info = slice_util.sliceInfo(
      [...x.shape],
      a.begin,
      a.end,
      a.strides,
      a.beginMask,
      a.endMask,
      a.ellipsisMask,
      a.newAxisMask,
      a.shrinkAxisMask,
    );
    // For a negative stride past the first element, ONNX needs an end below any index.
    const ends = info.end.map((end, i) => (info.strides[i] < 0 && end < 0 ? -END : end));
    const axes = x.shape.map((_, i) => i);
    const taken = g.node('Slice', [x.name, g.ints(info.begin), g.ints(ends), g.ints(axes), g.ints(info.strides)]);
    return g.node('Reshape', [taken, g.ints(info.finalShape)]);
  }),

  Concat: rule<{ axis: number }>(
    (g, inputs, { axis }) => {
      const parts = list(inputs);
      const [resolved] = util.parseAxisParam(axis, [...parts[0].shape]);
      const filled = parts.filter(({ shape }) => sizeOf(shape) > 0).map(({ name }) => name);
      return filled.length === 1 ? g.node('Identity', filled) : g.node('Concat', filled, { axis: resolved });
    },
    { work: (inputs) => list(inputs).reduce((sum, { shape }) => sum + sizeOf(shape), 0) },
  ),

  Pack: rule<{ axis: number }>(
    (g, inputs, { axis }) => {
      const parts = list(inputs);
      if (axis === 0 && parts[0].shape.length > 0) {
        // One reshape for all instead of one each.
        const rows =
          parts.length === 1
            ? parts[0].name
            : g.node(
                'Concat',
                parts.map(({ name }) => name),
                { axis: 0 },
              );
        return g.node('Reshape', [rows, g.ints([parts.length, ...parts[0].shape])]);
      }
      const raised = parts.map(({ name }) => g.node('Unsqueeze', [name, g.ints([axis])]));
      return g.node('Concat', raised, { axis });
    },
    { work: (inputs) => list(inputs).reduce((sum, { shape }) => sum + sizeOf(shape), 0) },
  ),

  Unpack: rule<{ axis: number }>((g, { value }, { axis }) => {
    const [resolved] = util.parseAxisParam(axis, [...value.shape]);
    const count = value.shape[resolved];
    const squeeze = (part: string) => g.node('Squeeze', [part, g.ints([resolved])]);
    if (count === 1) return [squeeze(value.name)];
    return g.nodeOf(count, 'Split', [value.name], { axis: resolved, num_outputs: count }).map(squeeze);
  }),

  SplitV: rule<{ numOrSizeSplits: number | number[]; axis: number }>((g, { x }, { numOrSizeSplits, axis }) => {
    const [resolved] = util.parseAxisParam(axis, [...x.shape]);
    const sizes = backend_util.prepareSplitSize({ shape: [...x.shape] } as Tensor, numOrSizeSplits, resolved);
    return g.nodeOf(sizes.length, 'Split', [x.name, g.ints(sizes)], { axis: resolved });
  }),

  Tile: rule<{ reps: number[] }>((g, { x }, { reps }) => g.node('Tile', [x.name, g.ints(reps)]), {
    anyShape: true,
    work: ({ x }, { reps }) => sizeOf(x.shape) * sizeOf(reps),
  }),

  PadV2: rule<{ paddings: [number, number][]; constantValue: number }>(
    (g, { x }, { paddings, constantValue }) => {
      const pads = [...paddings.map(([before]) => before), ...paddings.map(([, after]) => after)];
      return g.node('Pad', [x.name, g.ints(pads), g.scalar(constantValue, x.dtype)], { mode: 'constant' });
    },
    { anyShape: true },
  ),

  Reverse: rule<{ dims: number | number[] }>(
    (g, { x }, { dims }) => {
      const axes = util.parseAxisParam(dims, [...x.shape]);
      if (axes.length === 0) return g.node('Identity', [x.name]);
      const [starts, ends, steps] = [-1, -END, -1].map((value) => g.ints(axes.map(() => value)));
      return g.node('Slice', [x.name, starts, ends, g.ints(axes), steps]);
    },
    { anyShape: true },
  ),
};

interface StridedSliceAttributes {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}
