import { decodeModel } from '../../onnx/protobuf.js';
import { ConvNetConfig, parseConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { convNetLayers, epsilon } from './convnet.js';
import type { EncoderSource } from './encoder-source.js';
import { floatConstant, transposed } from '../../onnx/constants.js';
import { GraphReader } from '../../onnx/graph-reader.js';

/** A network read from its encoder file. */
export interface ImportedConvNet {
  readonly network: ConvNetConfig;
  /** Length of a feature vector. */
  readonly dimension: number;
  /** Arrays of a `ConvNet` whose features have the standard deviations `std` [D]. */
  weights(std: Float32Array): Map<string, Float32Array>;
}

/**
 * Reads a network from the ONNX file that `exportConvNet` wrote, with weights of any precision. The
 * file has no normalisations, so each is the identity until `ConvNet.calibrate` has seen photos.
 *
 * @throws CaptionerError `mismatch`: the file of another network. `corrupt`: it is not an ONNX
 *   model.
 */
export function importConvNet({ bytes, file, known }: EncoderSource): ImportedConvNet {
  const { graph } = decodeModel(bytes);
  const lookup = new GraphReader(graph);
  const constant = (name: string) => {
    const found = floatConstant(lookup, name);
    if (found) return found;
    throw new CaptionerError('mismatch', `${file} was not made by captioner distill: it has no '${name}'.`);
  };
  const values = new Set((graph.node ?? []).flatMap(({ input = [] }) => input));
  let blocks = 0;
  while (values.has(`stage0/block${blocks}/a/kernel`)) blocks++;
  const width = constant('stem/a/kernel').shape[0];
  const network = parseConfig(ConvNetConfig, { width, blocks, inputSize: known?.inputSize });
  const head = constant('head/kernel');
  if (head.shape.length !== 4) {
    throw new CaptionerError(
      'mismatch',
      `${file} was made by an earlier version: its head follows the mean. It still encodes photos, but can't be trained further.`,
    );
  }
  const bias = constant('head/bias').data;
  const offset = floatConstant(lookup, 'head/offset')?.data ?? new Float32Array(bias.length);
  const layers = new Map<string, Float32Array>();
  for (const { name } of convNetLayers(network)) {
    const kernel = constant(`${name}/kernel`);
    const shift = constant(`${name}/bias`).data;
    const scale = filterNorms(kernel.data, shift.length);
    const filters = kernel.data.map((x, i) => x / scale[Math.floor((i * shift.length) / kernel.data.length)]);
    layers
      .set(`${name}/kernel`, transposed({ shape: kernel.shape, data: filters }, [2, 3, 1, 0]).data)
      .set(`${name}/scale`, scale)
      .set(`${name}/shift`, shift)
      .set(`${name}/mean`, new Float32Array(shift.length))
      .set(`${name}/variance`, new Float32Array(shift.length).fill(1 - epsilon));
  }
  const weights = (std: Float32Array) =>
    new Map([
      ...layers,
      ['head/kernel', transposed(head, [2, 3, 1, 0]).data.map((x, i) => x / std[i % std.length])],
      ['head/bias', bias.map((x, i) => x / std[i])],
      ['head/offset', offset],
    ]);
  return { network, dimension: bias.length, weights };
}

/**
 * The length of each filter, relative to its initial length (He et al. 2015: the sum of squares is 2). It determines how fast a filter
 * before a normalisation learns.
 */
function filterNorms(filters: Float32Array, outputs: number): Float32Array {
  const size = filters.length / outputs;
  return Float32Array.from({ length: outputs }, (_, c) => {
    const filter = filters.subarray(c * size, (c + 1) * size);
    return Math.sqrt(filter.reduce((sum, x) => sum + x * x, 0) / 2) || 1;
  });
}
