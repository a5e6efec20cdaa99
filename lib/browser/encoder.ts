import type { InferenceSession } from 'onnxruntime-common';
import type { PhotoFeatures } from '../captioner/occlusion.js';
import { CaptionerError } from '../errors.js';
import { normalise } from '../images/normalise.js';
import { encoderValues, readEncoderMetadata, type EncoderMetadata } from '../model/encoder/encoder-file.js';
import type { BrowserRuntime } from './runtime.js';

/** An encoder in a browser. It takes files with metadata, such as `captioner export` and `captioner finetune` write. */
export class BrowserEncoder implements PhotoFeatures {
  private constructor(
    private readonly session: InferenceSession,
    private readonly metadata: EncoderMetadata,
    private readonly TensorType: BrowserRuntime['Tensor'],
  ) {}

  /** @throws CaptionerError `unsupported`: the file has no metadata. `corrupt`: ONNX Runtime refuses it. */
  static async load(
    bytes: Uint8Array,
    file: string,
    { InferenceSession, Tensor, encoder }: BrowserRuntime,
  ): Promise<BrowserEncoder> {
    const metadata = readEncoderMetadata(bytes, file);
    if (!metadata) {
      throw new CaptionerError(
        'unsupported',
        `${file} does not say what it is. Write the model with captioner export --storage int8, which adds it.`,
      );
    }
    try {
      const options = { ...encoder, extra: { session: { disable_quant_qdq: '1' } } };
      return new BrowserEncoder(await InferenceSession.create(bytes, options), metadata, Tensor);
    } catch (cause) {
      throw new CaptionerError('corrupt', `${file} can't be loaded (${(cause as Error).message}).`, { cause });
    }
  }

  get inputSize(): number {
    return this.metadata.inputSize;
  }

  get dimension(): number {
    return this.metadata.dimension;
  }

  /**
   * Pooled features, one photo after the other.
   * @param photos RGB bytes, [S, S, 3] each.
   * @param signal checked before each photo.
   * @returns [N, D]
   */
  async features(photos: readonly Uint8Array[], signal?: AbortSignal): Promise<Float32Array> {
    const { inputSize: size, dimension, mean, std } = this.metadata;
    const features = new Float32Array(photos.length * dimension); // [N, D]
    const input = new Float32Array(3 * size ** 2);
    for (const [i, photo] of photos.entries()) {
      if (i > 0) await messagesHandled();
      signal?.throwIfAborted();
      normalise(photo, size, mean, std, input, 0);
      const tensor = new this.TensorType('float32', input, [1, 3, size, size]);
      const results = await this.session.run({ [encoderValues.input]: tensor }, [encoderValues.features]);
      features.set(results[encoderValues.features].data as Float32Array, i * dimension);
    }
    return features;
  }

  async release(): Promise<void> {
    await this.session.release();
  }
}

/** Lets the worker see the messages that have arrived. */
function messagesHandled(): Promise<void> {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(undefined);
  });
}
