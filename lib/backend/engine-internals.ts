import { engine, type KernelBackend, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';

/** Members of TensorFlow.js' engine beyond its typed interface. */
interface EngineInternals {
  state: { registeredVariables: Record<string, Variable> };
  incRef(tensor: Tensor, backend: null): void;
  makeTensorFromTensorInfo(info: TensorInfo, backend: KernelBackend): Tensor;
}

export const internals = () => engine() as unknown as EngineInternals;
