import { zeros, type Tensor4D } from '@tensorflow/tfjs-core';
import { exportGraph } from '../../backend/index.js';
import { decodeModel, encodeModel } from '../../onnx/protobuf.js';
import { fillWeights } from '../../onnx/weights.js';
import type { ConvNet } from './convnet.js';
import { encoderValues, writeEncoderMetadata } from './encoder-file.js';
import { imagenet } from '../../config.js';
import { createVariable, disposeVariables } from '../variables.js';

/**
 * Writes a network as an ONNX file with metadata, for use as an encoder. Its batch normalisations
 * are folded into the preceding convolutions. Needs the 'onnx' backend.
 *
 * @param name encoder name recorded with features.
 * @param inputSize width and height of its photos.
 */
export function exportConvNet(network: ConvNet, name: string, inputSize: number): Uint8Array {
  const { weights, run } = network.folded();
  const variables = Object.fromEntries(
    [...weights].map(([weight, { shape, data }]) => [weight, createVariable(data, shape, false, weight)]),
  );
  try {
    const { model } = exportGraph(
      ({ [encoderValues.input]: photos }) => ({ ...run(photos as Tensor4D, variables) }),
      (batch) => ({ [encoderValues.input]: zeros([batch, 3, inputSize, inputSize]) }),
      variables,
    );
    const [mean, std] = [imagenet.mean, imagenet.std] as [[number, number, number], [number, number, number]];
    const { dimension } = network;
    const decoded = decodeModel(model);
    fillWeights(decoded.graph, weights);
    return writeEncoderMetadata(encodeModel(decoded), { name, inputSize, mean, std, dimension, map: true });
  } finally {
    disposeVariables(variables);
  }
}
