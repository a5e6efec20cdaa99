import { DataType, decodeModel, encodeModel, numbers, type Graph, type Node } from '../../onnx/protobuf.js';
import { CaptionerError } from '../../errors.js';
import { freeBatch } from '../../onnx/free-batch.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import { ownNormalisation, type OwnNormalisation } from './own-normalisation.js';
import { castToFloat, poolOutput, takePlanes } from './adapt-network.js';

/** A network that ends in features instead of classes. */
export interface HeadlessNetwork {
  /** The bytes of an ONNX file. */
  readonly model: Uint8Array;
  /** Its input, [N, 3, S, S]. */
  readonly input: string;
  /** Its output of pooled features, [N, D]. */
  readonly features: string;
  /** Its output of the map before pooling, [N, C, h, w], where there is one. */
  readonly map?: string;
  /** D */
  readonly dimension: number;
  /** S */
  readonly inputSize: number;
  /** Photos per run: any number, as exported; any number, after changing its 1; or 1. */
  readonly batch: 'any' | 'freed' | 'one';
  /** The normalisation of photos that the network itself begins with. */
  readonly ownNormalisation?: OwnNormalisation;
}

/** Operators that may follow a classifier's last matrix product. */
const afterHead = new Set([
  ...['Softmax', 'LogSoftmax', 'Sigmoid'],
  ...['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout', 'Cast'],
]);

/** Operators that may occur between the pooling and the pooled features. */
const afterPooling = new Set([
  ...['Flatten', 'Reshape', 'Squeeze', 'Unsqueeze', 'Identity', 'Dropout', 'Cast', 'Transpose'],
  ...['Relu', 'Clip', 'HardSwish', 'HardSigmoid', 'LeakyRelu', 'Elu', 'Tanh', 'BatchNormalization', 'Gemm', 'MatMul'],
]);

/** Operators that, with a constant, change only the scale and offset of values. */
const arithmetic = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Inputs of a photo without a fixed size. */
const usualInputSize = 224;

/**
 * Turns an ImageNet classifier into an encoder by cutting off its head: the last Gemm or MatMul
 * with constant weights before the output, possibly followed by an Add, a Softmax, a Reshape or
 * similar. The input of the head is the pooled features; the input of the pooling before it is the
 * feature map. Only the parts of the network that these two need are kept.
 *
 * A network without a head is used as it is: its output `features` [N, D] and possibly `map`, or
 * another output [N, D]. Tokens [N, T, D] and positions [N, D, h, w] are averaged. A network of
 * photos [N, S, S, 3] gets a Transpose in front; half-precision values get a Cast.
 *
 * @param bytes content of an .onnx file.
 * @param file its name, for messages.
 * @param free whether to make a network for one photo at a time accept any number (see
 *   `freeBatch`).
 * @throws CaptionerError `corrupt`: it is not an ONNX model. `unsupported`: it is not a photo
 *   classifier that can be read; the message names the missing part.
 */
export function detachHead(bytes: Uint8Array, file: string, free = true): HeadlessNetwork {
  const model = readModel(bytes, file);
  const refuse = (reason: string) =>
    new CaptionerError('unsupported', `${file} can't be used as an encoder: ${reason}.`);
  const photo = photoInput(new GraphReader(model.graph), refuse);
  const { inputSize, fixedBatch } = photo;
  const input = photo.channelsLast ? takePlanes(model.graph, photo.input) : photo.input;
  const ends = findEnds(model.graph, refuse);
  const { dimension } = ends;
  const [features, map] = [ends.features, ends.map].map((value) => {
    const half = value !== undefined && new GraphReader(model.graph).elementType(value) === DataType.float16;
    return half ? castToFloat(model.graph, value) : value;
  }) as [string, string | undefined];

  const cut = new GraphReader(model.graph).cut([features, ...(map === undefined ? [] : [map])]);
  if (fixedBatch && free) freeBatch(cut, input);
  const batch = !fixedBatch ? 'any' : free ? 'freed' : 'one';
  const headlessModel = encodeModel({
    ...model,
    // Before version 4, weights had to be listed as inputs.
    irVersion: Math.max(4, Number(model.irVersion ?? 4)),
    graph: cut,
  });
  const own = ownNormalisation(cut, input);
  return {
    ...{ model: headlessModel, input, features, dimension, inputSize, batch },
    ...(map !== undefined && { map }),
    ...(own && { ownNormalisation: own }),
  };
}

/** The relevant values of a network. */
type Ends = Pick<HeadlessNetwork, 'features' | 'map' | 'dimension'>;

/**
 * Finds features and map of a network.
 * @param graph receives nodes that pool the tokens or positions of a network without a head.
 */
function findEnds(graph: Graph, refuse: (reason: string) => CaptionerError): Ends {
  const reader = new GraphReader(graph);
  const outputs = (graph.output ?? []).map(({ name }) => name);
  const head = outputs.includes('features') ? undefined : findHead(reader, outputs);
  if (head && 'node' in head) {
    const [features] = reader.dataInputs(head.node);
    const dimension = headDimension(reader, features);
    if (!dimension) throw refuse('the length of its features cannot be determined');
    const map = mapBefore(reader, features);
    return { features, dimension, ...(map !== undefined && { map }) };
  }
  const ends = headlessEnds(graph, reader);
  if (!ends) throw refuse(head?.reason ?? 'the length of its features cannot be determined');
  return ends;
}

/** Names that exporters give to the vector of a whole photo, the likeliest first. */
const usualOutputs = ['features', 'pooler_output', 'image_embeds', 'embeddings', 'last_hidden_state'];

/** Names of outputs that hold classes, however they are computed. */
const classNames = /class|logit|prob|score|softmax|label/i;

/** Features and map of a network without a head: an output [N, D], or the mean of an output [N, T, D] or [N, D, h, w]. */
function headlessEnds(graph: Graph, reader: GraphReader): Ends | undefined {
  const named = usualOutputs.flatMap((name) => graph.output?.filter((output) => output.name === name) ?? []);
  for (const { name, type } of [...named, ...(graph.output ?? [])]) {
    const dims = type?.tensorType?.shape?.dim?.map(({ dimValue }) => Number(dimValue ?? 0)) ?? [];
    const dimension = dims.length === 4 ? dims[1] : (dims.at(-1) ?? 0);
    if (!dimension || classNames.test(name)) continue;
    if (dims.length === 2) {
      const map = graph.output?.find((output) => output.name === 'map')?.name ?? mapBefore(reader, name);
      return { features: name, dimension, ...(map !== undefined && { map }) };
    }
    if (dims.length === 3) return { features: poolOutput(graph, name, 3), dimension };
    if (dims.length === 4) return { features: poolOutput(graph, name, 4), map: name, dimension };
  }
  return undefined;
}

function readModel(bytes: Uint8Array, file: string): ReturnType<typeof decodeModel> {
  try {
    return decodeModel(bytes);
  } catch (error) {
    if (!(error instanceof CaptionerError)) throw error;
    throw new CaptionerError(error.code, `${file} can't be read. ${error.message}`, { cause: error });
  }
}

/** The input of photos: the only one that is not a weight. */
function photoInput(graph: GraphReader, refuse: (reason: string) => CaptionerError) {
  const inputs = graph.inputs;
  if (inputs.length !== 1) {
    const names = inputs.map(({ name }) => name).join(', ');
    throw refuse(`a photo is its only input, but it has ${inputs.length} inputs${names && ` (${names})`}`);
  }
  const [{ name, type }] = inputs;
  if (type?.tensorType?.elemType !== DataType.float) throw refuse(`its input ${name} is not of type float32`);
  const dims = type.tensorType.shape?.dim?.map(({ dimValue }) => Number(dimValue ?? 0));
  const channelsLast = dims?.length === 4 && dims[3] === 3 && dims[1] !== 3;
  if (dims && !channelsLast && (dims.length !== 4 || (dims[1] !== 3 && dims[1] !== 0))) {
    const shape = dims.map((d) => d || '?').join(', ');
    throw refuse(`its input ${name} is [${shape}], not [N, 3, height, width] or [N, height, width, 3]`);
  }
  const [batch = 0, , height = 0, width = 0] = channelsLast ? [dims[0], 3, dims[1], dims[2]] : (dims ?? []);
  if (height !== width) throw refuse(`its photos are ${width} x ${height} pixels, not a square`);
  if (batch > 1) throw refuse(`it takes exactly ${batch} photos at a time`);
  return { input: name, inputSize: height || usualInputSize, fixedBatch: batch === 1, channelsLast };
}

/** The Gemm or MatMul that maps features to classes, or the reason why there is none. */
function findHead(graph: GraphReader, outputs: readonly string[]): { node: Node } | { reason: string } {
  const met: string[] = [];
  for (const output of outputs) {
    for (let node = graph.producer(output); node;) {
      const data = graph.dataInputs(node);
      if (['Gemm', 'MatMul'].includes(node.opType) && data.length === 1 && data[0] === node.input?.[0]) return { node };
      // The bias of a MatMul is an Add with a constant.
      if (!afterHead.has(node.opType) && !(arithmetic.has(node.opType) && data.length === 1)) {
        met.push(`${output} comes from a ${node.opType}`);
        break;
      }
      node = graph.producer(data[0]);
    }
  }
  const reason =
    'it has no classifier that could be detached, and no output of a known length. Looked for: a Gemm or MatMul with constant weights, ' +
    `followed by nothing but Add with a constant, ${[...afterHead].join(', ')}; or an output [N, D], [N, T, D] or [N, D, h, w]. ` +
    `Found: ${met.join('; ') || 'nothing before its outputs'}`;
  return { reason };
}

/** The input of the pooling that produces `features`. */
function mapBefore(graph: GraphReader, features: string): string | undefined {
  let pooled = false;
  for (let value = features; ;) {
    const node = graph.producer(value);
    const data = node ? graph.dataInputs(node) : [];
    const pools =
      node !== undefined &&
      (['GlobalAveragePool', 'AveragePool'].includes(node.opType) ||
        (node.opType === 'ReduceMean' && isSpatial(graph, node)));
    if (pools) pooled = true;
    // The means over height and width may be separate nodes.
    else if (pooled) return value;
    else if (!node || !(afterPooling.has(node.opType) || (arithmetic.has(node.opType) && data.length === 1)))
      return undefined;
    value = data[0];
  }
}

/** Whether a mean is over height and width, or one of them. */
function isSpatial(graph: GraphReader, node: Node): boolean {
  const attribute = node.attribute?.find(({ name }) => name === 'axes');
  const axes = attribute ? numbers(attribute.ints) : graph.integers(node.input?.[1] ?? '');
  return axes !== undefined && axes.length > 0 && axes.every((axis) => [2, 3, -1, -2].includes(axis));
}

/** The dimension D of the head whose input is `features`, from the shape of its weights. */
function headDimension(graph: GraphReader, features: string): number {
  const head = graph.consumers(features).find(({ opType }) => opType === 'Gemm' || opType === 'MatMul')!;
  const dims = graph.shape(head.input![1]);
  const transposed = head.attribute?.some(({ name, i }) => name === 'transB' && Number(i ?? 0) !== 0);
  return dims?.length === 2 ? dims[transposed ? 1 : 0] : 0;
}
