import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import path from 'node:path';
import { encodeSafetensors, type Weight, type Weights } from '../lib/files/safetensors.js';
import { readEncoder } from '../lib/model/encoder/encoder-source.js';
import { encoderSource, registeredEncoder } from '../lib/model/encoder/registry.js';
import { floatConstant } from '../lib/onnx/constants.js';
import { GraphReader } from '../lib/onnx/graph-reader.js';
import { decodeModel } from '../lib/onnx/protobuf.js';
import { root } from './program.js';

/** A network that exists in PyTorch too. */
export interface Network {
  /** Its name for the scripts in `peers/`. */
  readonly kind: 'convnet' | 'mobilenetv2';
  /** For `Encoder.load`. */
  readonly encoder: string;
  /** The shipped captioner that uses it. */
  readonly checkpoint: string;
}

const checkpoint = (name: string) => path.join(root, 'checkpoints', name);

/** The networks on this machine. Says so where MobileNetV2 is not. */
export async function peerNetworks(): Promise<Network[]> {
  const networks: Network[] = [
    {
      kind: 'convnet',
      encoder: path.join(checkpoint('default'), 'encoder.onnx'),
      checkpoint: checkpoint('default'),
    },
  ];
  if (await hasMobileNet()) {
    networks.push({ kind: 'mobilenetv2', encoder: 'mobilenetv2', checkpoint: checkpoint('mobilenetv2') });
  } else console.log('MobileNetV2 is not measured: CAPTIONER_MIRROR has no models/mobilenetv2-features.onnx.');
  return networks;
}

/** Whether the MobileNetV2 without head and with folded batch normalisation is available. */
async function hasMobileNet(): Promise<boolean> {
  if (!encoderSource(registeredEncoder('mobilenetv2')).isHere) return false;
  return (await readEncoder('mobilenetv2')).headless;
}

/** Settings of PyTorch's data loader. The fastest depends on the network and the photos. */
export const loaders = [
  { workers: 0, draft: false },
  { workers: availableParallelism(), draft: false },
  { workers: availableParallelism(), draft: true },
].map(({ workers, draft }) => {
  const where = workers > 0 ? `${workers} worker${workers > 1 ? 's' : ''}` : 'the same process';
  return {
    name: `Pillow in ${where}${draft ? ', with draft' : ''}`,
    flags: ['--workers', String(workers), ...(draft ? ['--draft'] : [])],
  };
});

/** Writes the weights of an encoder for PyTorch. @returns the file. */
export async function writeEncoderWeights(encoder: string, folder: string): Promise<string> {
  const file = path.join(folder, `${path.basename(encoder)}.safetensors`);
  writeFileSync(file, encodeSafetensors(encoderWeights((await readEncoder(encoder)).bytes)));
  return file;
}

/** The weights and biases of convolutions and matrices, in the order of their use. */
function encoderWeights(bytes: Uint8Array): Weights {
  const { graph } = decodeModel(bytes);
  const values = new GraphReader(graph);
  const weights = new Map<string, Weight>();
  for (const { opType, input = [] } of graph.node ?? []) {
    if (!['Conv', 'Gemm', 'Add'].includes(opType ?? '')) continue;
    for (const name of input) {
      const constant = floatConstant(values, name);
      if (constant) weights.set(name, constant);
    }
  }
  return weights;
}
