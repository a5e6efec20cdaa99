import {
  engine,
  getKernelsForBackend,
  registerBackend,
  registerKernel,
  type DataType as TfDataType,
  type KernelConfig,
  type TensorInfo,
} from '@tensorflow/tfjs-core';
import { MathBackendCPU } from '@tensorflow/tfjs-backend-cpu';
import { EagerSessions } from './eager.js';
import { kernelTable } from './kernels/table.js';
import type { Attributes } from './kernels/rule.js';
import type { Recorder } from './recorder.js';
import type { KernelInputs, TensorStorage, TensorValues } from './tensor-storage.js';
import { keepMemorySmall } from '../onnx/native-memory.js';
import { CaptionerError } from '../errors.js';

type DataId = TensorInfo['dataId'];

/**
 * A TensorFlow.js backend with tensors in JavaScript typed arrays and heavy kernels on ONNX
 * Runtime. TensorFlow.js' own CPU kernels run those without a rule, and work too small to justify a
 * native call.
 */
export class OnnxBackend extends MathBackendCPU implements TensorStorage {
  /** Receives every kernel while a step is traced. */
  recorder?: Recorder;
  /** Buffers that compiled steps overwrite. Reading one returns a copy. */
  readonly recycled = new WeakSet<object>();
  readonly eager = new EagerSessions(this);
  private kernelDepth = 0;

  override write(values: Parameters<MathBackendCPU['write']>[0], shape: number[], dtype: TfDataType): DataId {
    // Skips the base class's advice to install another backend.
    const dataId = { id: this.nextId() };
    this.data.set(dataId, { values, dtype, refCount: 1 });
    return dataId;
  }

  override incRef(dataId: DataId): void {
    super.incRef(dataId);
    // A new variable shares the data of its initial value.
    this.recorder?.noticeVariables();
  }

  /** Keeps data until {@link OnnxBackend.decRef}. */
  keep(dataId: DataId): void {
    super.incRef(dataId);
  }

  override readSync(dataId: DataId): ReturnType<MathBackendCPU['readSync']> {
    if (this.kernelDepth === 0) this.recorder?.refuseReading(dataId);
    const values = super.readSync(dataId);
    return this.recycled.has(values) ? (values as TensorValues).slice() : values;
  }

  override async read(dataId: DataId): ReturnType<MathBackendCPU['read']> {
    return this.readSync(dataId);
  }

  /** The values of a tensor as the typed array of its data type. */
  valuesOf({ dataId, dtype }: TensorInfo): TensorValues {
    const { values } = this.data.get(dataId) as { values: ArrayLike<number> };
    if (dtype === 'float32') return values instanceof Float32Array ? values : Float32Array.from(values);
    if (dtype === 'int32') return values instanceof Int32Array ? values : Int32Array.from(values);
    if (dtype === 'bool') return values instanceof Uint8Array ? values : Uint8Array.from(values);
    throw new CaptionerError('unsupported', `The 'onnx' backend does not support tensors of type ${dtype}.`);
  }

  /**
   * Runs one kernel: on ONNX Runtime if worth it, else in JavaScript. While a step is traced,
   * kernels that depend on its inputs are recorded instead.
   */
  runKernel(
    name: string,
    fallback: KernelConfig,
    inputs: KernelInputs,
    attributes: Attributes,
  ): TensorInfo | TensorInfo[] {
    const rule = kernelTable.get(name);
    if (this.recorder?.traces(name, inputs)) return this.recorder.record(name, rule, inputs, attributes);
    this.kernelDepth++;
    try {
      return (
        (rule && this.eager.run(name, rule, inputs, attributes)) ??
        fallback.kernelFunc({ inputs, attrs: attributes as KernelConfigAttributes, backend: this })
      );
    } finally {
      this.kernelDepth--;
    }
  }

  private nextId(): number {
    return (MathBackendCPU as unknown as { nextDataId: number }).nextDataId++;
  }
}

type KernelConfigAttributes = Parameters<KernelConfig['kernelFunc']>[0]['attrs'];

let registered = false;

/** Registers the backend with TensorFlow.js as 'onnx'. Select it with `tf.setBackend('onnx')`. */
export function registerOnnxBackend(): void {
  if (registered) return;
  registered = true;
  keepMemorySmall();
  for (const config of getKernelsForBackend('cpu')) {
    registerKernel({
      ...config,
      backendName: 'onnx',
      kernelFunc: ({ inputs, attrs, backend }) =>
        (backend as OnnxBackend).runKernel(
          config.kernelName,
          config,
          inputs as KernelInputs,
          (attrs ?? {}) as Attributes,
        ),
    });
  }
  registerBackend('onnx', () => new OnnxBackend());
}

/** The 'onnx' backend if it is in use. */
export function currentOnnxBackend(): OnnxBackend | undefined {
  const backend = engine().backend;
  return backend instanceof OnnxBackend ? backend : undefined;
}
