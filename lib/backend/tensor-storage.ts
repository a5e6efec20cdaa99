import type { KernelBackend, TensorInfo } from '@tensorflow/tfjs-core';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';

/** The inputs of a kernel: TensorFlow.js gives them by name, or as a list. */
export type KernelInputs = Record<string, TensorInfo>;

export type TensorValues = Float32Array | Int32Array | Uint8Array;

/** The tensors of a backend, as those see them that run or record its kernels. */
export interface TensorStorage extends KernelBackend, Pick<MathBackendCPU, 'makeTensorInfo'> {
  /** The values of a tensor as the typed array of its data type. */
  valuesOf(info: TensorInfo): TensorValues;
  /** Keeps data until `decRef`. */
  keep(dataId: TensorInfo['dataId']): void;
  decRef(dataId: TensorInfo['dataId']): void;
}
