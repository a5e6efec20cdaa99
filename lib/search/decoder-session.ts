import type { InferenceConfig } from '../config.js';
import type { Weights } from '../files/safetensors.js';
import { onnxRuntime } from '../onnx/runtime.js';
import { exactSums, sessionThreads, shortWaits } from '../onnx/session-options.js';
import { loadNetworks, OnnxStepper } from './onnx-stepper.js';

export type { SessionState } from './onnx-stepper.js';

export interface DecoderSessionOptions extends Partial<InferenceConfig> {
  /** Threads per run. Default: all cores. */
  readonly threads?: number;
}

/** A trained decoder that runs on ONNX Runtime alone, without TensorFlow.js. */
export class DecoderSession extends OnnxStepper {
  /**
   * @param graphs ONNX files of the decoder without weights, as `exportDecoder` writes them.
   * @param weights the decoder's arrays by name.
   * @throws CaptionerError `corrupt` or `mismatch` if graphs and weights do not fit together.
   */
  static async load(
    graphs: ReadonlyMap<string, Uint8Array>,
    weights: Weights,
    { threads, precision = 'fp32' }: DecoderSessionOptions = {},
  ): Promise<DecoderSession> {
    const quantized = precision === 'int8';
    const networks = await loadNetworks(onnxRuntime(), graphs, weights, quantized, {
      ...sessionThreads(threads),
      enableCpuMemArena: quantized, // many small arrays
      logSeverityLevel: 3,
      extra: { session: { ...shortWaits, ...(quantized && exactSums()) } },
    });
    return new DecoderSession(networks);
  }
}
