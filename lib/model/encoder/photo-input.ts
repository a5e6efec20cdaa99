import type { Tensor as OrtTensor } from 'onnxruntime-common';
import type { Normalisation } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { normalise } from '../../images/normalise.js';
import { onnxRuntime } from '../../onnx/runtime.js';

/** The input of a network: photos as one tensor. Its memory is reused between runs. */
export class PhotoInput {
  private spare?: Float32Array | Uint8Array;

  constructor(
    /** Width and height of a photo. */
    private readonly size: number,
    /** Normalisation for networks of floats [N, 3, S, S]; undefined for networks of bytes [N, S, S, 3]. */
    private readonly normalisation: Normalisation | undefined,
  ) {}

  /**
   * @param photos RGB bytes, [S, S, 3] each.
   * @throws CaptionerError `bad-input`: a photo of another size.
   */
  tensor(photos: readonly Uint8Array[]): OrtTensor {
    const { size, normalisation } = this;
    const { Tensor } = onnxRuntime();
    const each = 3 * size ** 2;
    const length = photos.length * each;
    const spare = this.spare !== undefined && this.spare.length >= length ? this.spare : undefined;
    this.spare = undefined; // another run may begin before this one ends
    if (normalisation) {
      const data = (spare as Float32Array | undefined) ?? new Float32Array(length);
      for (const [i, photo] of photos.entries()) {
        normalise(photo, size, normalisation.mean, normalisation.std, data, i * each);
      }
      return new Tensor('float32', data.subarray(0, length), [photos.length, 3, size, size]);
    }
    const data = (spare as Uint8Array | undefined) ?? new Uint8Array(length);
    for (const [i, photo] of photos.entries()) {
      if (photo.length !== each) {
        throw new CaptionerError('bad-input', `A photo of ${size} x ${size} pixels has ${each} RGB bytes.`);
      }
      data.set(photo, i * each);
    }
    return new Tensor('uint8', data.subarray(0, length), [photos.length, size, size, 3]);
  }

  /** Takes a tensor back after its run. */
  reuse({ data }: OrtTensor): void {
    const given = data as Float32Array | Uint8Array;
    // The whole array, of which a smaller batch used the beginning.
    this.spare = given instanceof Float32Array ? new Float32Array(given.buffer) : new Uint8Array(given.buffer);
  }
}
