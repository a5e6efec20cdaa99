import { CaptionerError } from '../../errors.js';
import { decodeModel, encodeModel, type Model } from '../../onnx/protobuf.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import { foldAffine } from '../../onnx/quantization/fold-affine.js';
import { quantizeNetwork } from '../../onnx/quantization/network.js';
import { planQuantization } from '../../onnx/quantization/plan.js';
import { imagenet, type Normalisation } from '../../config.js';
import { isSameNormalisation } from '../../data/features/encoder-identity.js';
import { calibrateNetwork, type CalibrationOptions } from './calibrate-network.js';
import { notThatEncoder } from './load-network.js';
import { detachHead } from './detach-head.js';
import { encoderValues, writeEncoderMetadata, type EncoderMetadata } from './encoder-file.js';
import { Encoder } from './encoder.js';
import { describeEncoder, type EncoderSource } from './encoder-source.js';
import { featureSimilarity } from './feature-similarity.js';
import { rangeChoices } from '../../onnx/quantization/statistics.js';
import { nameValues } from './name-values.js';
import { chooseNormalisation } from './photo-normalisation.js';

/** An encoder in 8 bits. */
export interface QuantizedEncoder {
  /** Its file, with metadata. */
  readonly bytes: Uint8Array;
  /** Photos that it was calibrated on. */
  readonly photos: number;
  /** Mean cosine of its standardised features and those in fp32, of up to 64 of these photos. */
  readonly similarity: number;
}

/** The most photos whose features are compared. */
const compared = 64;

export interface QuantizationOptions extends CalibrationOptions {
  /** Normalisation of an encoder outside the registry, without metadata. */
  readonly normalisation?: Normalisation | undefined;
  /** Names of nodes, or of their outputs, that stay in floats. */
  readonly keep?: readonly string[];
}

/**
 * Converts an encoder to 8-bit integers: an ONNX file a quarter the size, several times as fast on processors with 8-bit dot products.
 * Weights have 7 bits and a scale for each channel, so that the result is the same on all processors; values between layers have 8
 * bits and a range that depends on the photos given. Two ways to choose the ranges are tried (see `rangeChoices`): features of networks with
 * few outliers are closer with one, those of MobileNetV2 with the other.
 *
 * @param source the encoder: with metadata, of the registry, or a classifier.
 * @param decode gives a hundred or more photos like those to caption, RGB bytes [S, S, 3] each, S being `size`.
 * @throws CaptionerError `bad-input`: no photos. `unsupported`: the network has no convolutions that can be converted, or can't be
 *   used as an encoder. `corrupt`.
 */
export async function quantizeEncoder(
  source: EncoderSource,
  decode: (size: number) => Promise<readonly Uint8Array[]>,
  { normalisation, keep = [], ...options }: QuantizationOptions = {},
): Promise<QuantizedEncoder> {
  const { file, name, sha256, known } = source;
  const refuse = (reason: string) =>
    new CaptionerError('unsupported', `${file} can't be converted to 8 bits: ${reason}.`);
  if (known?.int8) throw refuse('it is already in 8 bits');
  const { model, ...facts } = headlessModel(source);
  foldAffine(model.graph);
  const plan = planQuantization(model.graph, new Set(keep));
  if (!plan.steps.some(({ kind }) => kind === 'convolution'))
    throw refuse('it has no convolution with constant weights');

  const photos = await decode(facts.inputSize);
  if (photos.length === 0)
    throw new CaptionerError('bad-input', 'An encoder in 8 bits needs photos for its calibration.');
  const { mean, std } = chooseNormalisation(source, normalisation);
  const isPartOfIdentity = !known && !isSameNormalisation({ mean, std }, imagenet);
  const pixels = { mean, std, inputSize: facts.inputSize };
  const statistics = await calibrateNetwork(model, file, plan.rounded, photos, pixels, options);
  for (const [value, { ranges }] of statistics) {
    const { min, max } = ranges['least-error'];
    if (!Number.isFinite(max - min)) throw refuse(`its value '${value}' is not finite`);
  }
  const metadata: EncoderMetadata = {
    ...{ name, ...facts, mean: [...mean], std: [...std] },
    int8: { network: sha256, photos: photos.length, ...(isPartOfIdentity && { normalisation: { mean, std } }) },
  };
  const folded = encodeModel(model);
  const candidates = rangeChoices.map((choice) => {
    const copy = decodeModel(folded);
    quantizeNetwork(copy, plan, statistics, pixels, choice);
    return writeEncoderMetadata(encodeModel(copy), metadata);
  });
  return await closest(source, candidates, photos, normalisation);
}

/** The candidate whose features are closest to those in fp32. */
async function closest(
  source: EncoderSource,
  candidates: readonly Uint8Array[],
  photos: readonly Uint8Array[],
  normalisation: Normalisation | undefined,
): Promise<QuantizedEncoder> {
  const some = photos.slice(0, compared);
  const expected = await featuresOf(source, some, normalisation);
  let best: QuantizedEncoder | undefined;
  for (const bytes of candidates) {
    const found = await featuresOf(describeEncoder(bytes, source.file), some);
    const similarity = featureSimilarity(expected, found, some.length);
    if (!best || similarity > best.similarity) best = { bytes, similarity, photos: photos.length };
  }
  return best!;
}

async function featuresOf(source: EncoderSource, photos: readonly Uint8Array[], normalisation?: Normalisation) {
  const encoder = await Encoder.open(source, { normalisation });
  try {
    return await encoder.features(photos);
  } finally {
    await encoder.release();
  }
}

/** The network without its head, under the names of an encoder's file. */
function headlessModel(
  source: EncoderSource,
): Pick<EncoderMetadata, 'dimension' | 'inputSize' | 'map'> & { model: Model } {
  const { bytes, file, headless, known } = source;
  if (headless && known) {
    const { dimension, inputSize, map = true } = known;
    const model = decodeModel(bytes);
    const outputs = [encoderValues.features, ...(map ? [encoderValues.map] : [])];
    const reader = new GraphReader(model.graph);
    const [input] = reader.inputs.map((each) => each.name);
    const lacking = outputs.find((output) => !reader.producer(output));
    if (input !== encoderValues.input || lacking !== undefined) throw notThatEncoder(file, lacking);
    return { model: { ...model, graph: reader.cut(outputs) }, dimension, inputSize, map };
  }
  const { model: detached, dimension, inputSize, map, ...values } = detachHead(bytes, file);
  const model = decodeModel(detached);
  nameValues(model.graph, { ...values, map });
  return { model, dimension, inputSize, map: map !== undefined };
}
