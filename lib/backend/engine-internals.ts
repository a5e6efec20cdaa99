import { engine, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import type { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';

/** What TensorFlow.js' engine offers beyond its typed interface. */
interface EngineInternals {
  state: { registeredVariables: Record<string, Variable> };
  incRef(tensor: Tensor, backend: null): void;
  makeTensorFromTensorInfo(info: TensorInfo, backend: MathBackendCPU): Tensor;
}

export const internals = () => engine() as unknown as EngineInternals;
