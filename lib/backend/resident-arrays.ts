import { engine, type Variable } from '@tensorflow/tfjs-core';
import { currentOnnxBackend, type OnnxBackend } from './backend.js';
import { internals } from './engine-internals.js';

/** Bytes of a line of a processor's cache, to which arrays are aligned. */
const LINE = 64;
const PAGE = 65536;

/** An array in WebAssembly memory. */
export interface ResidentArray {
  readonly values: Float32Array;
  /** Address of the first number, for kernels. */
  readonly address: number;
}

/**
 * Arrays in one WebAssembly memory, where kernels change them in place. ONNX Runtime reads and
 * writes the same memory, so nothing is copied between the two.
 */
export class ResidentArrays {
  readonly memory: WebAssembly.Memory;
  private readonly backend: OnnxBackend;
  private free = 0;

  /**
   * @param sizes of the arrays that will be allocated.
   * @throws RangeError if that is more than WebAssembly can address.
   */
  constructor(sizes: readonly number[]) {
    const backend = currentOnnxBackend();
    if (!backend) throw new Error("resident arrays need the 'onnx' backend");
    this.backend = backend;
    const bytes = sizes.reduce((sum, size) => sum + aligned(size), 0);
    this.memory = new WebAssembly.Memory({ initial: Math.ceil(bytes / PAGE) });
  }

  /** The next array, of zeros. Tensors that are given it as their values are copied when read. */
  allocate(size: number): ResidentArray {
    const address = this.free;
    this.free += aligned(size);
    const values = new Float32Array(this.memory.buffer, address, size);
    this.backend.recycled.add(values);
    return { values, address };
  }

  /**
   * Makes an array the memory of a variable, with the variable's values. Tensors that share the
   * variable's memory, such as clones, get a copy. Does nothing if the array is the variable's own
   * already.
   */
  house(variable: Variable, { values }: ResidentArray): void {
    const { backend } = this;
    const data = backend.data.get(variable.dataId) as { values: Float32Array; refCount: number };
    const home = data.values === values;
    if (home && data.refCount === 1) return;
    if (home) data.values = values.slice();
    else values.set(backend.valuesOf(variable));
    if (data.refCount === 1) {
      data.values = values;
      return;
    }
    const info = backend.makeTensorInfo(variable.shape, 'float32', values);
    const tensor = internals().makeTensorFromTensorInfo.call(engine(), info, backend);
    variable.assign(tensor);
    tensor.dispose();
  }
}

/** Bytes that an array takes. Kernels may process more numbers than it has, up to a whole line. */
function aligned(size: number): number {
  return Math.ceil((size * Float32Array.BYTES_PER_ELEMENT) / LINE) * LINE;
}
