import { availableParallelism } from 'node:os';
import type { Tensor } from 'onnxruntime-common';
import { CaptionerError } from '../errors.js';
import { firstLine, installCommand, requireNative } from './runtime.js';

/**
 * Synchronous ONNX Runtime. The public `InferenceSession.run` only defers the same call to the next
 * turn of the event loop, which an eager tensor operation cannot wait for. This is the only file
 * that uses internals of onnxruntime-node, whose version is therefore pinned.
 */

/** Type and shape of an output, as known before the run. A negative dimension depends on the run. */
interface OutputMetadata {
  readonly name: string;
  /** TensorProto.DataType */
  readonly type: number;
  readonly shape: readonly number[];
}

interface NativeSession {
  loadModel(buffer: ArrayBufferLike, offset: number, length: number, options: object): void;
  run(feeds: Record<string, Tensor>, fetches: Record<string, null>, options: object): Record<string, Tensor>;
  dispose(): void;
  readonly outputMetadata: OutputMetadata[];
}

interface Binding {
  binding: { InferenceSession: new () => NativeSession };
  initOrt(): void;
}

let loaded: Binding | undefined;

function native(): Binding {
  if (loaded) return loaded;
  try {
    const binding = requireNative('/dist/binding.js') as Binding;
    if (typeof binding.initOrt !== 'function' || typeof binding.binding.InferenceSession !== 'function') {
      throw new Error('its internal interface is not the expected one');
    }
    binding.initOrt();
    return (loaded = binding);
  } catch (error) {
    throw new CaptionerError(
      'unsupported',
      `The 'onnx' backend needs onnxruntime-node, which can't be loaded: ${firstLine(error)} ` +
        `Install it with '${installCommand}', or choose another backend: tensorflow, wasm or cpu.`,
      { cause: error },
    );
  }
}

export interface SessionOptions {
  /** Threads per run. Default: all cores. */
  threads?: number;
  /**
   * Let idle threads spin. Faster between the many small nodes of a large graph; a waste between
   * small graphs.
   */
  spinning?: boolean;
  /** Level of graph optimisation on loading. */
  optimization?: 'disabled' | 'basic' | 'extended' | 'all';
  /** Writes a profile of each node to `<prefix>_<date>.json` when the session is released. */
  profile?: string;
}

/** A loaded ONNX model. */
export class Session {
  private readonly session: NativeSession;
  readonly outputs: readonly OutputMetadata[];

  constructor(model: Uint8Array, options: SessionOptions = {}) {
    const { binding } = native();
    this.session = new binding.InferenceSession();
    this.session.loadModel(model.buffer, model.byteOffset, model.byteLength, {
      intraOpNumThreads: options.threads ?? availableParallelism(),
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: options.optimization ?? 'all',
      // Without the arena, memory is returned after each run and stays constant over hours.
      enableCpuMemArena: false,
      enableMemPattern: true,
      logSeverityLevel: 3,
      ...(options.profile && { enableProfiling: true, profileFilePrefix: options.profile }),
      extra: { session: { intra_op: { allow_spinning: options.spinning ? '1' : '0' } } },
    });
    this.outputs = this.session.outputMetadata;
  }

  /** Runs the model and returns its outputs, newly allocated. */
  run(feeds: Record<string, Tensor>): Record<string, Tensor> {
    const fetches = Object.fromEntries(this.outputs.map(({ name }) => [name, null]));
    return this.session.run(feeds, fetches, {});
  }

  release(): void {
    this.session.dispose();
  }
}
