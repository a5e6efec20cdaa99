import { decodeModel, encodeModel, type Graph } from '../../onnx/protobuf.js';
import { writeEncoderMetadata } from './encoder-file.js';
import { floatConstant, storeFloats, transposed } from '../../onnx/constants.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import { nameValues } from './name-values.js';
import type { TrainableEncoder } from './trainable-encoder.js';

/**
 * Writes an encoder with its current weights: the graph it was read from, with the weights
 * replaced. Weights that were initialisers keep their precision. Weights that nodes computed from
 * others (of 16 or 8 bits) become float32 initialisers, and the nodes are removed. The file has
 * metadata; see `EncoderMetadata`.
 *
 * @param name new name of the encoder, which differs from the original.
 */
export function exportEncoder(encoder: TrainableEncoder, name: string): Uint8Array {
  const { values, dimension, inputSize, normalisation, layouts, variables } = encoder;
  const { mean, std } = normalisation;
  const model = decodeModel(encoder.model);
  for (const [weight, variable] of Object.entries(variables)) {
    const { order } = layouts.get(weight)!;
    const back = order.map((_, axis) => order.indexOf(axis));
    const { data } = transposed({ shape: variable.shape, data: variable.dataSync<'float32'>() }, back);
    replaceWeight(model.graph, weight, data);
  }
  const map = values.map !== undefined;
  const graph = new GraphReader(model.graph).cut([values.features, ...(map ? [values.map] : [])]);
  nameValues(graph, values);
  graph.output![0].type!.tensorType!.shape = { dim: [{ dimParam: 'N' }, { dimValue: dimension }] };
  const metadata = { name, inputSize, mean: [...mean], std: [...std], dimension, map };
  return writeEncoderMetadata(encodeModel({ ...model, graph }), metadata as Parameters<typeof writeEncoderMetadata>[1]);
}

function replaceWeight(graph: Graph, name: string, data: Float32Array): void {
  const { shape } = floatConstant(new GraphReader(graph), name)!;
  const stored = graph.initializer?.find((tensor) => tensor.name === name);
  const tensor = { ...storeFloats({ shape, data }, stored?.dataType), name };
  if (stored) graph.initializer = graph.initializer!.map((former) => (former === stored ? tensor : former));
  else {
    graph.initializer = [...(graph.initializer ?? []), tensor];
    graph.node = graph.node!.filter(({ output }) => output?.[0] !== name);
  }
}
