import type { InferenceSession, Tensor } from 'onnxruntime-common';

/** The part of ONNX Runtime that is used, whichever build of it: native, or WebAssembly in Node or in a browser. */
export interface OnnxRuntime {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof Tensor;
}
