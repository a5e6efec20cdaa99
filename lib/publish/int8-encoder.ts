import { CaptionerError } from '../errors.js';
import type { Normalisation } from '../config.js';
import { decodePhoto } from '../images/photo.js';
import type { EncoderSource } from '../model/encoder/encoder-source.js';
import { quantizeEncoder, type QuantizedEncoder } from '../model/encoder/quantize-encoder.js';
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
  readonly onConverted?: (result: QuantizedEncoder) => void;
}

/**
 * Converts an encoder to 8 bits, calibrated on photos in files.
 * @returns the bytes of an encoder's file.
 * @throws CaptionerError `bad-input`: none of the photos can be decoded. Also the errors of `quantizeEncoder`.
 */
export async function convertToInt8(
  source: EncoderSource,
  calibration: Int8Calibration,
  normalisation?: Normalisation,
): Promise<Uint8Array> {
  const { progress, signal, onConverted } = calibration;
  const decode = (size: number) => decodeSome(calibration, size);
  const int8 = await quantizeEncoder(source, decode, { progress, signal, normalisation });
  onConverted?.(int8);
  return int8.bytes;
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
