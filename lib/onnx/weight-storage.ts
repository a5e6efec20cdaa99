import { quantizeChannels } from '../files/int8.js';
import { floatConstant, storeFloats, type Constant } from './constants.js';
import { GraphReader } from './graph-reader.js';
import { DataType, decodeModel, encodeModel, numbers, type Graph, type Node, type Tensor } from './protobuf.js';
import { castToFloat } from './weights.js';

/**
 * Stores the weights of an encoder's ONNX file in fewer bits. ONNX Runtime converts them back to 32
 * bits when it loads the file, so the computation stays the same. Vectors (biases) stay as they are.
 *
 * @param storage `fp16` halves the file and changes features in the third digit at most. `int8`
 *   quarters it: each output channel has a scale, and its greatest weight becomes ±127.
 */
export function storeWeights(bytes: Uint8Array, storage: 'fp16' | 'int8'): Uint8Array {
  const model = decodeModel(bytes);
  const { graph } = model;
  const lookup = new GraphReader(graph);
  const former = storage === 'int8' ? halfPrecisionCasts(graph) : new Map<string, Node>();
  const names = [...(graph.initializer ?? []).filter(isLarge).map(({ name = '' }) => name), ...former.keys()];
  const stored = names.map((name) => {
    const weight = floatConstant(lookup, name)!;
    return storage === 'fp16' ? asFloat16(name, weight) : asInt8(name, weight);
  });
  const replaced = new Set([...names, ...[...former.values()].map(({ input }) => input![0])]);
  graph.initializer = [
    ...(graph.initializer ?? []).filter(({ name = '' }) => !replaced.has(name)),
    ...stored.flatMap(({ tensors }) => tensors),
  ];
  const casts = new Set(former.values());
  graph.node = [...stored.flatMap(({ nodes }) => nodes), ...(graph.node ?? []).filter((node) => !casts.has(node))];
  return encodeModel(model);
}

/** The nodes that convert weights in 16 bits to floats, by the name of the floats. */
function halfPrecisionCasts({ initializer = [], node = [] }: Graph): Map<string, Node> {
  const halves = new Set(initializer.flatMap(({ name, dataType }) => (dataType === DataType.float16 ? [name] : [])));
  const casts = node.filter(({ opType, input }) => opType === 'Cast' && halves.has(input?.[0]));
  return new Map(casts.map((cast) => [cast.output![0], cast]));
}

/** A weight as it is stored, and the nodes that give it back. */
interface Stored {
  readonly tensors: readonly Tensor[];
  readonly nodes: readonly Node[];
}

const isLarge = ({ dims, dataType }: Tensor): boolean =>
  dataType === DataType.float && numbers(dims).filter((d) => d > 1).length > 1;

function asFloat16(name: string, weight: Constant): Stored {
  const half = `${name}/fp16`;
  return { tensors: [{ ...storeFloats(weight, DataType.float16), name: half }], nodes: [castToFloat(half, name)] };
}

/** w ≈ q s, with a scale for each index of the first axis, which is that of the output channels. */
function asInt8(name: string, { shape, data }: Constant): Stored {
  const [integers, scale, floats] = ['int8', 'scale', 'integers'].map((part) => `${name}/${part}`);
  const { bytes, scales } = quantizeChannels(data, shape[0], data.length / shape[0]);
  const perChannel = shape.map((size, axis) => (axis === 0 ? size : 1));
  return {
    tensors: [
      { name: integers, dims: [...shape], dataType: DataType.int8, rawData: new Uint8Array(bytes.buffer) },
      { ...storeFloats({ shape: perChannel, data: scales }), name: scale },
    ],
    nodes: [
      castToFloat(integers, floats),
      { opType: 'Mul', name: `${name}/restored`, input: [floats, scale], output: [name] },
    ],
  };
}
