import { onnxType, type GraphBuilder, type Operand } from '../../onnx/graph-builder.js';
import { DataType, type Node } from '../../onnx/protobuf.js';
import { uses } from '../consumers.js';
import { sizeOf } from './rule.js';

/** A tensor of zeros. */
function zeros(g: GraphBuilder, shape: readonly number[], type: number): string {
  const blank = g.node('ConstantOfShape', [g.ints(shape)]);
  return type === DataType.float ? blank : g.cast(blank, type);
}

/**
 * Zeros [count, ...row] with rows added at int64 indices, which may repeat. ONNX Runtime's
 * ScatterND adds in parallel and loses updates to the same index; its ScatterElements adds one
 * after another.
 */
export function sumRows(g: GraphBuilder, rows: Operand, places: string, count: number, row: readonly number[]): string {
  const width = sizeOf(row);
  const flat = g.node('Reshape', [rows.name, g.ints([-1, width])]); // [N, width]
  g.shapes.set(flat, [sizeOf(rows.shape) / width, width]);
  const column = g.node('Reshape', [places, g.ints([-1, 1])]); // [N, 1]
  const everywhere = g.node('Expand', [column, g.ints([1, width])]); // [N, width]
  const sums = g.node('ScatterElements', [zeros(g, [count, width], onnxType(rows.dtype)), everywhere, flat], {
    axis: 0,
    reduction: 'add',
  });
  return g.node('Reshape', [sums, g.ints([count, ...row])]);
}

/** An output of a graph that is a sum of rows by index, and is computed from the graph's other outputs. */
export interface RowSum {
  /** The sums, [count, ...row]. */
  readonly sums: string;
  /** The sum of their squares, if that is an output too. */
  readonly squares?: string;
  /** The rows to be added up, [N, width], their number and length. */
  readonly rows: string;
  readonly shape: readonly number[];
  /** Their indices, [N] int32. */
  readonly places: string;
}

/**
 * Takes the sums that {@link sumRows} made out of a graph if only outputs depend on them: the graph
 * gives the rows and their places instead, and {@link addRows} adds them up four times as fast as
 * ScatterElements. Such a sum is the gradient of a word embedding.
 */
export function takeRowSums(graph: GraphBuilder): RowSum[] {
  const { producers, consumers } = uses(graph);
  const isOutput = (name: string) => graph.outputs.some((output) => output.name === name);
  /** The node that produces a value, if it is of this type. */
  const producer = (name: string | undefined, type: string) => {
    const node = producers.get(name ?? '');
    return node?.opType === type ? node : undefined;
  };
  /** The output of a node that sums all squares of its input to one number. */
  const squaresOf = ({ opType, output }: Node) => {
    const [name] = output!;
    return opType === 'ReduceSumSquare' && sizeOf(graph.shapes.get(name) ?? [0]) === 1 ? name : undefined;
  };
  const taken = graph.outputs.flatMap(({ name: sums, type }): RowSum[] => {
    const scatter = producer(producer(sums, 'Reshape')?.input![0], 'ScatterElements');
    const column = producer(producer(scatter?.input![1], 'Expand')?.input![0], 'Reshape');
    const rows = scatter?.input![2] ?? '';
    const shape = graph.shapes.get(rows);
    if (!column || !shape || type?.tensorType?.elemType !== DataType.float) return [];
    const readers = consumers.get(sums) ?? [];
    const squares = readers.map(squaresOf).find((name) => name !== undefined && isOutput(name));
    if (readers.length > (squares === undefined ? 0 : 1)) return [];
    return [{ sums, squares, rows, shape, places: graph.cast(column.input![0], DataType.int32) }];
  });
  const computed = new Set(taken.flatMap(({ sums, squares }) => [sums, squares]));
  graph.outputs.splice(0, Infinity, ...graph.outputs.filter(({ name }) => !computed.has(name!)));
  for (const { rows, places } of taken) {
    if (!isOutput(rows)) graph.output(rows, 'float32');
    graph.output(places, 'int32');
  }
  return taken;
}

/**
 * Sums rows by index.
 * @param sums [count, width], overwritten.
 * @param rows [N, width].
 * @param places [N], each below count.
 * @returns the sum of the squares of all sums.
 */
export function addRows(sums: Float32Array, rows: Float32Array, places: Int32Array): number {
  const width = rows.length / places.length;
  sums.fill(0);
  let from = 0;
  for (const place of places) {
    const at = place * width;
    for (let i = 0; i < width; i++) sums[at + i] += rows[from + i];
    from += width;
  }
  let squares = 0;
  for (const place of new Set(places)) {
    for (let i = place * width; i < (place + 1) * width; i++) squares += sums[i] * sums[i];
  }
  return squares;
}
