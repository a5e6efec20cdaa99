import type { CaptionerError } from '../errors.js';
import type { Encoder } from '../model/encoder/encoder.js';

/** A part of captioning: reading files into pixels, the encoder, the search with the decoder. */
export type CaptioningStage = 'decode' | 'encode' | 'search';

/** A photo's pixels, or the error that kept it from having any. */
export type DecodedPhoto =
  | { readonly file: string; readonly pixels: Uint8Array; readonly error?: undefined }
  | { readonly file: string; readonly pixels?: undefined; readonly error: CaptionerError };

/** The photos of one search. */
export interface EncodedPhotos {
  readonly photos: readonly { readonly file: string; readonly error?: CaptionerError | undefined }[];
  /** [rows, D], of the photos without an error. */
  readonly features: Float32Array;
  readonly rows: number;
}

/**
 * The numbers of photos per search for `count` photos. The first captions come soon; later searches are larger, because a search of 64
 * photos takes half the time per photo of one of 16.
 */
export function* batchSizes(count: number): Generator<number> {
  for (let size = 16; count > 0; size = Math.min(64, 2 * size)) {
    yield Math.min(size, count);
    count -= size;
  }
}

/**
 * Computes the features of the next `count` photos. The encoder begins as soon as the first of them are decoded.
 * @param onStage receives the time waited for photos, and that of the encoder.
 */
export async function encodeNext(
  decoded: AsyncIterator<DecodedPhoto, void>,
  count: number,
  encoder: Encoder,
  onStage?: (stage: CaptioningStage, seconds: number) => void,
): Promise<EncodedPhotos> {
  const photos: { file: string; error?: CaptionerError | undefined }[] = [];
  const features = new Float32Array(count * encoder.dimension); // [count, D]
  let [rows, waited, encoding] = [0, 0, 0];
  let pixels: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const start = performance.now();
    const { value: photo } = (await decoded.next()) as IteratorYieldResult<DecodedPhoto>;
    const arrived = performance.now();
    photos.push({ file: photo.file, error: photo.error });
    if (photo.pixels) pixels.push(photo.pixels);
    if (pixels.length === encoder.batchSize || i === count - 1) {
      features.set(await encoder.features(pixels), rows * encoder.dimension);
      rows += pixels.length;
      pixels = [];
    }
    waited += (arrived - start) / 1000;
    encoding += (performance.now() - arrived) / 1000;
  }
  onStage?.('decode', waited);
  onStage?.('encode', encoding);
  return { photos, features: features.subarray(0, rows * encoder.dimension), rows };
}
