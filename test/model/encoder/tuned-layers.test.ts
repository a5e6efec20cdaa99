import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { useBackend } from '../../../lib/backend/index.js';
import { imagenet } from '../../../lib/config.js';
import { CaptionerError } from '../../../lib/errors.js';
import { detachHead } from '../../../lib/model/encoder/detach-head.js';
import { writeEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { describeEncoder, type EncoderSource } from '../../../lib/model/encoder/encoder-source.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { exportEncoder } from '../../../lib/model/encoder/export-encoder.js';
import { TrainableEncoder } from '../../../lib/model/encoder/trainable-encoder.js';
import { applyTunedLayers, baseOfTunedLayers, encodeTunedLayers } from '../../../lib/model/encoder/tuned-layers.js';
import { decodeModel, encodeModel } from '../../../lib/onnx/protobuf.js';
import { foldAffine } from '../../../lib/onnx/quantization/fold-affine.js';
import { bottleneckNetwork, residualNetwork } from './quantizable-networks.js';

const size = 16;
const photo = Uint8Array.from({ length: 3 * size * size }, (_, i) => (i * 37) % 256);

/** A network as published, with batch normalisation. */
const published = (): EncoderSource => ({ ...describeEncoder(residualNetwork(), 'published.onnx'), name: 'base' });

/** The same network with folded batch normalisation and metadata, as a mirror may have it. */
function folded(): EncoderSource {
  const { model, dimension } = detachHead(residualNetwork(), 'published.onnx');
  const decoded = decodeModel(model);
  const { graph } = decoded;
  foldAffine(graph);
  for (const node of graph.node!) node.input = node.input?.map((name) => (name === 'photo' ? 'input' : name));
  graph.input![0].name = 'input';
  graph.output = graph.output!.filter(({ name }) => name === 'features');
  const metadata = { name: 'base', inputSize: size, dimension, map: false };
  const { mean, std } = imagenet;
  const bytes = writeEncoderMetadata(encodeModel(decoded), { ...metadata, mean: [...mean], std: [...std] } as never);
  return describeEncoder(bytes, 'folded.onnx');
}

/** The network with its last convolution changed. */
function tuned(): EncoderSource {
  const encoder = new TrainableEncoder(folded(), { layers: 1 });
  for (const variable of Object.values(encoder.variables)) {
    if (variable.trainable) variable.assign(tf.add(variable, tf.randomNormal(variable.shape, 0, 0.2, 'float32', 5)));
  }
  const bytes = exportEncoder(encoder, 'base-tuned');
  encoder.dispose();
  return describeEncoder(bytes, 'tuned.onnx');
}

async function featuresOf(source: EncoderSource): Promise<Float32Array> {
  const encoder = await Encoder.open(source, { normalisation: imagenet });
  const features = await encoder.features([photo]); // [1, D]
  await encoder.release();
  return features;
}

function refusal(run: () => unknown): CaptionerError {
  try {
    run();
  } catch (error) {
    return error as CaptionerError;
  }
  return expect.fail('it was accepted');
}

describe('fine-tuned layers of an encoder', () => {
  before(() => useBackend('cpu'));

  for (const [kind, base] of Object.entries({ published, folded })) {
    it(`make the whole encoder together with the registered one: ${kind}`, async () => {
      const [whole, without] = [await featuresOf(tuned()), await featuresOf(base())];
      const layers = encodeTunedLayers(tuned(), folded(), 'fp32');
      expect(baseOfTunedLayers(layers, 'layers.safetensors')).to.equal('base');
      const source = applyTunedLayers(layers, 'layers.safetensors', base());
      expect(source.name).to.equal('base-tuned');
      expect(source.known).to.include({ inputSize: size, dimension: whole.length });
      const features = await featuresOf(source);
      for (const [i, x] of features.entries()) expect(x).to.be.closeTo(whole[i], 1e-4 * (1 + Math.abs(whole[i])));
      expect(Math.max(...features.map((x, i) => Math.abs(x - without[i])))).to.be.greaterThan(1e-3);
    });
  }

  it('are identified by their own file, whichever form the registered encoder has', () => {
    const layers = encodeTunedLayers(tuned(), folded());
    const [a, b] = [published(), folded()].map((base) => applyTunedLayers(layers, 'layers.safetensors', base));
    expect(a.sha256).to.equal(b.sha256);
    expect(a.sha256).not.to.equal(applyTunedLayers(encodeTunedLayers(tuned(), folded(), 'fp32'), 'l', folded()).sha256);
  });

  it('take only the space of the layers that changed', () => {
    const floats = encodeTunedLayers(tuned(), folded(), 'fp32').length;
    const kernel = 4 * 6 * 6 * 3 * 3;
    expect(floats).to.be.within(kernel, 2 * kernel);
  });

  it('are refused for another network, and where nothing changed', () => {
    const layers = encodeTunedLayers(tuned(), folded());
    const other = describeEncoder(bottleneckNetwork(), 'other.onnx');
    const error = refusal(() => applyTunedLayers(layers, 'layers.safetensors', other));
    expect(error.code).to.equal('mismatch');
    expect(error.message).to.equal("layers.safetensors does not have the layers of the encoder 'base'.");
    expect(refusal(() => encodeTunedLayers(folded(), folded())).message).to.equal(
      'folded.onnx does not differ from base.',
    );
    expect(refusal(() => applyTunedLayers(layers.subarray(0, 300), 'cut.safetensors', folded())).code).to.equal(
      'corrupt',
    );
  });
});
