import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';

/** The inputs of a kernel, which TensorFlow.js gives by name or as a list. */
export type KernelInputs = Record<string, TensorInfo>;

export type TensorValues = Float32Array | Int32Array | Uint8Array;

/** A backend's tensors, as seen by the code that runs or records its kernels. */
export interface TensorStorage extends KernelBackend, Pick<MathBackendCPU, 'makeTensorInfo'> {
  /** The values of a tensor as the typed array of its data type. */
  valuesOf(info: TensorInfo): TensorValues;
  /** Keeps data until `decRef`. */
  keep(dataId: TensorInfo['dataId']): void;
  decRef(dataId: TensorInfo['dataId']): void;
}
