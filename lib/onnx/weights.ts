import { bytesOf } from './graph-builder.js';
import { DataType, type Graph } from './protobuf.js';
import { CaptionerError } from '../errors.js';

/**
 * Puts weights into a graph that takes them as inputs. Changes the graph in place.
 * @throws CaptionerError `mismatch` if an input has another shape than the weight of its name.
 */
export function fillWeights(
  graph: Graph,
  weights: ReadonlyMap<string, { readonly shape: readonly number[]; readonly data: Float32Array }>,
): void {
  graph.initializer ??= [];
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
    graph.initializer!.push({ name, dims, dataType: DataType.float, rawData: bytesOf(weight.data) });
    return false;
  });
}
