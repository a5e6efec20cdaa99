import { CaptionerError } from '../errors.js';
import type { Normalisation } from '../config.js';
import { decodePhoto } from '../images/photo.js';
import { Encoder } from '../model/encoder/encoder.js';
import { describeEncoder, type EncoderSource } from '../model/encoder/encoder-source.js';
import { quantizeEncoder } from '../model/encoder/quantize-encoder.js';
import type { ProgressReporter } from '../progress.js';

/** The calibration of an encoder in 8 bits. */
export interface Int8Calibration {
  /** Files of photos to calibrate it on. */
  readonly photos: readonly string[];
  /** The most photos to use; if there are more, they are taken at equal distances. Default: 200. */
  readonly most?: number;
  readonly progress?: ProgressReporter;
  readonly signal?: AbortSignal;
  /** Receives warnings about photos. */
  readonly warn?: ((message: string) => void) | undefined;
  /** Receives the result. */
  readonly onConverted?: (result: Int8Conversion) => void;
}

/** An encoder that was converted to 8 bits. */
export interface Int8Conversion {
  /** Photos that it was calibrated on. */
  readonly photos: number;
  /** Size of its file. */
  readonly bytes: number;
  /** Mean cosine of its standardised features and those in fp32, of some of these photos. */
  readonly similarity: number;
}

/** Photos whose features are compared. */
const compared = 64;

/**
 * Converts an encoder to 8 bits and compares the two.
 * @returns the bytes of an encoder's file.
 * @throws CaptionerError `bad-input`: none of the photos can be decoded. Also the errors of `quantizeEncoder`.
 */
export async function convertToInt8(
  source: EncoderSource,
  calibration: Int8Calibration,
  normalisation?: Normalisation,
): Promise<Uint8Array> {
  const { progress, signal, onConverted } = calibration;
  let photos: readonly Uint8Array[] = [];
  const decode = async (size: number) => (photos = await decodeSome(calibration, size));
  const int8 = await quantizeEncoder(source, decode, { progress, signal, normalisation });
  if (onConverted) {
    const some = photos.slice(0, compared);
    const fp32 = await featuresOf(source, some, normalisation);
    const found = await featuresOf(describeEncoder(int8, source.file), some);
    onConverted({ photos: photos.length, bytes: int8.length, similarity: meanCosine(fp32, found, some.length) });
  }
  return int8;
}

async function decodeSome(calibration: Int8Calibration, size: number): Promise<Uint8Array[]> {
  const { photos, most = 200, signal, warn } = calibration;
  const count = Math.min(most, photos.length);
  const chosen = Array.from({ length: count }, (_, i) => photos[Math.floor((i * photos.length) / count)]);
  const decoded: Uint8Array[] = [];
  for (const file of chosen) {
    signal?.throwIfAborted();
    try {
      decoded.push(await decodePhoto(file, size));
    } catch (error) {
      if (!(error instanceof CaptionerError)) throw error;
      warn?.(`${file} is left out of the calibration: ${error.message}`);
    }
  }
  if (decoded.length === 0) {
    throw new CaptionerError('bad-input', 'None of the photos for the calibration can be decoded. Name other photos.');
  }
  if (decoded.length < 100) {
    warn?.(
      `The encoder is calibrated on ${decoded.length} photos. With about 200, its features are closer to those in fp32.`,
    );
  }
  return decoded;
}

async function featuresOf(source: EncoderSource, photos: readonly Uint8Array[], normalisation?: Normalisation) {
  const encoder = await Encoder.open(source, { normalisation });
  try {
    return await encoder.features(photos);
  } finally {
    await encoder.release();
  }
}

/** The mean cosine of rows [N, D], each feature less its mean and over its standard deviation in `a`. */
function meanCosine(a: Float32Array, b: Float32Array, N: number): number {
  const D = a.length / N;
  const [mean, square] = [new Float64Array(D), new Float64Array(D)];
  a.forEach((x, i) => {
    mean[i % D] += x / N;
    square[i % D] += (x * x) / N;
  });
  const std = mean.map((m, d) => Math.sqrt(Math.max(0, square[d] - m * m)) || 1);
  let sum = 0;
  for (let row = 0; row < N; row++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let d = 0; d < D; d++) {
      const [x, y] = [a, b].map((rows) => (rows[row * D + d] - mean[d]) / std[d]);
      [ab, aa, bb] = [ab + x * y, aa + x * x, bb + y * y];
    }
    sum += aa && bb ? ab / Math.sqrt(aa * bb) : Number(aa === bb);
  }
  return sum / N;
}
