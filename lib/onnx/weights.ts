import { bytesOf } from './graph-builder.js';
import { AttributeType, DataType, type Graph, type Node, type Tensor } from './protobuf.js';
import { CaptionerError } from '../errors.js';

/** A weight, row-major. */
interface Weight {
  readonly shape: readonly number[];
  readonly data: Float32Array;
  /** Its bytes in fp16, if it is stored so. */
  readonly half?: Uint8Array;
}

/**
 * Puts weights into a graph that takes them as inputs. Changes the graph in place.
 * @param asStored whether weights that are stored in fp16 stay so, each with a node that converts it. ONNX Runtime computes these nodes
 *   once, when it loads the graph.
 * @throws CaptionerError `mismatch` if an input has another shape than the weight of its name.
 */
export function fillWeights(graph: Graph, weights: ReadonlyMap<string, Weight>, asStored = false): void {
  graph.initializer ??= [];
  const casts: Node[] = [];
  graph.input = (graph.input ?? []).filter(({ name, type }) => {
    const weight = weights.get(name);
    if (!weight) return true;
    const dims = (type?.tensorType?.shape?.dim ?? []).map(({ dimValue }) => Number(dimValue));
    if (dims.join() !== weight.shape.join()) {
      throw new CaptionerError(
        'mismatch',
        `The graph expects '${name}' as [${dims.join(', ')}], but the weights have [${weight.shape.join(', ')}].`,
      );
    }
    const half = asStored ? weight.half : undefined;
    if (half) casts.push(castToFloat(`${name}/fp16`, name));
    graph.initializer!.push(
      half
        ? { name: `${name}/fp16`, dims, dataType: DataType.float16, rawData: half }
        : { name, dims, dataType: DataType.float, rawData: bytesOf(weight.data) },
    );
    return false;
  });
  graph.node = [...casts, ...(graph.node ?? [])];
}

/** A node that converts a value to floats. */
export const castToFloat = (from: string, to: string): Node => ({
  opType: 'Cast',
  name: `${to}/cast`,
  input: [from],
  output: [to],
  attribute: [{ name: 'to', type: AttributeType.int, i: DataType.float }],
});

/** Weights of a graph outside its file, by name. */
export interface OutsideWeight {
  readonly path: string;
  readonly data: Uint8Array;
}

/** Tensors of fewer bytes stay in the file: shapes, for example, which ONNX Runtime reads before it loads weights. */
const leastOutside = 1024;

/**
 * Takes the large weights out of a graph's file. ONNX Runtime copies those that are given beside it (`externalData`) once; those in the
 * file would be copied when it is written, when it is read, and once more.
 * @returns the graph that refers to them, and the weights.
 */
export function moveWeightsOut(graph: Graph): { graph: Graph; externalData: OutsideWeight[] } {
  const externalData: OutsideWeight[] = [];
  const initializer = graph.initializer?.map((tensor): Tensor => {
    const { rawData: data, ...described } = tensor;
    if (!data || data.length < leastOutside) return tensor;
    const path = `weight-${externalData.length}`;
    externalData.push({ path, data });
    const place = { location: path, offset: 0, length: data.length };
    return {
      ...described,
      dataLocation: 1,
      externalData: Object.entries(place).map(([key, value]) => ({ key, value: String(value) })),
    };
  });
  return { graph: { ...graph, ...(initializer && { initializer }) }, externalData };
}
