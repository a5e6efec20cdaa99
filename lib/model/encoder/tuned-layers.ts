import * as z from 'zod';
import { CaptionerError } from '../../errors.js';
import { sha256OfBytes } from '../../files/checksum.js';
import { decodeSafetensors, encodeSafetensors, type Storage, type Weight } from '../../files/safetensors.js';
import { floatConstant, storeFloats, type Constant } from '../../onnx/constants.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import { decodeModel, encodeModel, type Graph, type Node } from '../../onnx/protobuf.js';
import { foldAffine } from '../../onnx/quantization/fold-affine.js';
import { detachHead } from './detach-head.js';
import { EncoderMetadata, encoderValues, writeEncoderMetadata, type EncoderSource } from './encoder-file.js';
import { nameValues } from './name-values.js';

/**
 * The layers of an encoder that were fine-tuned, without those that are still the ones of a
 * registered encoder: a safetensors file with `layer<n>/weight` and `layer<n>/bias`, where n counts
 * the convolutions from the photo, beginning with 1. Batch normalisation is folded into them.
 * Together with the registered encoder's own file, they are the whole network.
 */

const key = 'captioner.tuned-layers';

const Header = EncoderMetadata.omit({ int8: true }).extend({
  /** Name of the registered encoder. */
  base: z.string(),
  /** The root of the sum of squared weights of each of its convolutions, by which the network is recognised. */
  norms: z.array(z.number()),
});

/** A convolution with constant weights. */
interface Layer {
  readonly node: Node;
  readonly weight: Constant;
  readonly bias: Constant;
}

/** A network whose convolutions have all affine operations after them folded in. */
interface FoldedNetwork {
  readonly model: ReturnType<typeof decodeModel>;
  readonly layers: readonly Layer[];
}

/**
 * Writes the layers in which an encoder differs from the registered encoder that it was fine-tuned from.
 * @returns a safetensors file.
 * @throws CaptionerError `mismatch`: the networks have different layers, or do not differ.
 */
export function encodeTunedLayers(tuned: EncoderSource, base: EncoderSource, storage: Storage = 'fp16'): Uint8Array {
  const [after, before] = [fold(tuned), fold(base)];
  if (after.layers.length !== before.layers.length) throw otherNetwork(tuned.file, base.name);
  const weights = new Map<string, Weight>();
  for (const [i, layer] of after.layers.entries()) {
    const former = before.layers[i];
    if (String(layer.weight.shape) !== String(former.weight.shape)) throw otherNetwork(tuned.file, base.name);
    if (isClose(layer.weight, former.weight) && isClose(layer.bias, former.bias)) continue;
    weights.set(weightName(i), layer.weight);
    weights.set(biasName(i), layer.bias);
  }
  if (weights.size === 0) throw new CaptionerError('mismatch', `${tuned.file} does not differ from ${base.name}.`);
  const { known } = tuned;
  const header: z.input<typeof Header> = {
    ...{ name: tuned.name, inputSize: known!.inputSize, dimension: known!.dimension },
    ...{ mean: [...known!.mean] as Triple, std: [...known!.std] as Triple, map: known!.map !== false },
    ...{ base: base.name, norms: before.layers.map(({ weight }) => normOf(weight)) },
  };
  return encodeSafetensors(weights, storage, { [key]: JSON.stringify(header) });
}

type Triple = [number, number, number];

/** The name of the registered encoder that a file of fine-tuned layers belongs to. @throws CaptionerError `corrupt` */
export function baseOfTunedLayers(bytes: Uint8Array, file: string): string {
  return read(bytes, file).header.base;
}

/**
 * Puts fine-tuned layers into the registered encoder that they belong to.
 * @param bytes content of the file of the layers.
 * @param file its path, for messages.
 * @returns the whole encoder. It is identified by the checksum of the file of the layers, whether
 *   the registered encoder is the published classifier or has its head detached.
 * @throws CaptionerError `corrupt`: a damaged file. `mismatch`: they belong to another network.
 */
export function applyTunedLayers(bytes: Uint8Array, file: string, base: EncoderSource): EncoderSource {
  const { weights, header } = read(bytes, file);
  const { norms, base: baseName, ...metadata } = header;
  const { model, layers } = fold(base);
  const isSame = layers.length === norms.length && layers.every(({ weight }, i) => near(normOf(weight), norms[i]));
  if (!isSame) throw otherNetwork(file, baseName);
  for (const [i, { node, weight, bias }] of layers.entries()) {
    const [tunedWeight, tunedBias] = [weights.get(weightName(i)), weights.get(biasName(i))];
    if (!tunedWeight && !tunedBias) continue;
    const fits = tunedWeight?.data.length === weight.data.length && tunedBias?.data.length === bias.data.length;
    if (!fits) throw otherNetwork(file, baseName);
    replace(model.graph, node.input![1], { shape: weight.shape, data: tunedWeight.data });
    replace(model.graph, node.input![2], { shape: bias.shape, data: tunedBias.data });
  }
  return {
    ...{ file, bytes: writeEncoderMetadata(encodeModel(model), metadata), sha256: sha256OfBytes(bytes) },
    ...{ name: metadata.name, known: metadata, headless: true, registered: false },
  };
}

function read(bytes: Uint8Array, file: string) {
  const { weights, metadata } = decodeSafetensors(bytes, file);
  try {
    return { weights, header: Header.parse(JSON.parse(metadata[key])) };
  } catch (cause) {
    throw new CaptionerError('corrupt', `${file} does not hold the fine-tuned layers of an encoder.`, { cause });
  }
}

/** An encoder's network with the names of an encoder's file and with folded convolutions. */
function fold({ bytes, file, headless, known }: EncoderSource): FoldedNetwork {
  const { map } = encoderValues;
  const network = headless
    ? { ...encoderValues, model: bytes, map: known?.map === false ? undefined : map }
    : detachHead(bytes, file);
  const model = decodeModel(network.model);
  nameValues(model.graph, network);
  foldAffine(model.graph);
  const reader = new GraphReader(model.graph);
  const layers = (model.graph.node ?? []).flatMap((node) => {
    const [weight, bias] = node.opType === 'Conv' ? [1, 2].map((i) => floatConstant(reader, node.input![i])) : [];
    return weight && bias ? [{ node, weight, bias }] : [];
  });
  return { model, layers };
}

function replace(graph: Graph, name: string, constant: Constant): void {
  graph.initializer = graph.initializer?.map((tensor) =>
    tensor.name === name ? { ...storeFloats(constant), name } : tensor,
  );
}

const weightName = (layer: number) => `layer${layer + 1}/weight`;
const biasName = (layer: number) => `layer${layer + 1}/bias`;

const normOf = ({ data }: Constant) => Math.sqrt(data.reduce((sum, x) => sum + x * x, 0));

/** Equality but for the rounding of stored weights. */
const near = (a: number, b: number) => Math.abs(a - b) <= 1e-3 * (Math.abs(b) + 1e-3);

function isClose(a: Constant, b: Constant): boolean {
  return a.data.length === b.data.length && a.data.every((x, i) => Math.abs(x - b.data[i]) <= 1e-6 * (1 + Math.abs(x)));
}

function otherNetwork(file: string, base: string): CaptionerError {
  return new CaptionerError('mismatch', `${file} does not have the layers of the encoder '${base}'.`);
}
