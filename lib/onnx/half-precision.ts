import { DataType, decodeModel, encodeModel, numbers, type Tensor } from './protobuf.js';
import { floatConstant, storeFloats } from './constants.js';
import { GraphReader } from './graph-reader.js';

/**
 * Stores the weights of an encoder's ONNX file in 16 bits, which halves its size and changes
 * features in the third digit at most. ONNX Runtime converts them back to 32 bits when it loads the
 * file, so the computation stays the same. Vectors (biases) stay as they are.
 */
export function storeWeightsAsFloat16(bytes: Uint8Array): Uint8Array {
  const model = decodeModel(bytes);
  const { graph } = model;
  const lookup = new GraphReader(graph);
  const isLarge = ({ dims, dataType }: Tensor) =>
    dataType === DataType.float && numbers(dims).filter((d) => d > 1).length > 1;
  const large = (graph.initializer ?? []).filter(isLarge);
  const stored = (name: string) => `${name}/fp16`;
  graph.initializer = (graph.initializer ?? []).map((tensor) =>
    isLarge(tensor)
      ? { ...storeFloats(floatConstant(lookup, tensor.name!)!, DataType.float16), name: stored(tensor.name!) }
      : tensor,
  );
  const casts = large.map(({ name = '' }) => ({
    opType: 'Cast',
    name: `${name}/cast`,
    input: [stored(name)],
    output: [name],
    attribute: [{ name: 'to', type: 2, i: DataType.float }],
  }));
  graph.node = [...casts, ...(graph.node ?? [])];
  return encodeModel(model);
}
