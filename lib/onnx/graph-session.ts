import { availableParallelism } from 'node:os';
import type { Tensor } from 'onnxruntime-common';
import { returnFreedMemory } from './native-memory.js';
import { ortApi, type OrtApi, type Pointer } from './c-api.js';
import { onnxType, type Dtype } from './graph-builder.js';
import { onnxRuntime } from './runtime.js';
import { Session, type SessionOptions } from './session.js';
import { CaptionerError } from '../errors.js';

/** Memory that a graph reads or writes. */
export interface Buffer {
  readonly data: Float32Array | Int32Array | Uint8Array;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
}

export type Buffers = Readonly<Record<string, Buffer>>;

/** A loaded graph that writes its outputs to given memory. */
export interface GraphSession {
  run(inputs: Buffers, outputs: Buffers): Promise<void>;
  release(): void;
}

/**
 * Loads a large graph, such as a training step. Through ONNX Runtime's C interface it runs on its
 * own thread and updates weights in place. Where that is unavailable, onnxruntime-node runs it on
 * the main thread and copies its outputs.
 */
export function loadGraph(model: Uint8Array, options: SessionOptions = {}): GraphSession {
  const api = ortApi();
  return api ? new NativeGraphSession(api, model, options) : new CopyingGraphSession(model, options);
}

const optimizationLevels = { disabled: 0, basic: 1, extended: 2, all: 99 } as const;

export class NativeGraphSession implements GraphSession {
  private readonly session: Pointer;

  constructor(
    private readonly api: OrtApi,
    model: Uint8Array,
    { threads = availableParallelism(), spinning = true, optimization = 'all', profile }: SessionOptions,
  ) {
    const { call, create } = api;
    const options = create('CreateSessionOptions');
    const errorsOnly = 3;
    call.SetIntraOpNumThreads(options, threads);
    call.SetSessionGraphOptimizationLevel(options, optimizationLevels[optimization]);
    call.SetSessionLogSeverityLevel(options, errorsOnly);
    // Large graphs share one arena. A memory plan per graph would fragment it.
    call.AddSessionConfigEntry(options, 'session.use_env_allocators', '1');
    call.DisableMemPattern(options);
    call.AddSessionConfigEntry(options, 'optimization.disable_specified_optimizers', 'GemmTransposeFusion');
    call.AddSessionConfigEntry(options, 'session.intra_op.allow_spinning', spinning ? '1' : '0');
    // Long enough for the gap between two nodes, short enough to leave the cores to others.
    call.AddSessionConfigEntry(options, 'session.intra_op.spin_duration_us', '50');
    if (profile !== undefined) call.EnableProfiling(options, profile);
    try {
      this.session = create('CreateSessionFromArray', api.environment, model, model.byteLength, options);
    } catch (cause) {
      throw new CaptionerError('unsupported', `ONNX Runtime rejects the graph: ${(cause as Error).message}`, { cause });
    } finally {
      call.ReleaseSessionOptions(options);
      returnFreedMemory();
    }
  }

  async run(inputs: Buffers, outputs: Buffers): Promise<void> {
    const made: Pointer[] = [];
    const value = ({ data, dtype, shape }: Buffer): Pointer => {
      const dims = BigInt64Array.from(shape, BigInt);
      const { memory, create } = this.api;
      const pointer = create(
        'CreateTensorWithDataAsOrtValue',
        memory,
        data,
        data.byteLength,
        dims,
        dims.length,
        onnxType(dtype),
      );
      made.push(pointer);
      return pointer;
    };
    const values = (buffers: Buffers) => BigUint64Array.from(Object.values(buffers), value);
    try {
      const [inputNames, outputNames] = [Object.keys(inputs), Object.keys(outputs)];
      const [inputValues, outputValues] = [values(inputs), values(outputs)];
      await this.api.run(
        this.session,
        null,
        inputNames,
        inputValues,
        inputNames.length,
        outputNames,
        outputNames.length,
        outputValues,
      );
    } finally {
      for (const pointer of made) this.api.call.ReleaseValue(pointer);
    }
  }

  release(): void {
    this.api.call.ReleaseSession(this.session);
  }
}

export class CopyingGraphSession implements GraphSession {
  private readonly session: Session;

  constructor(model: Uint8Array, options: SessionOptions) {
    this.session = new Session(model, { spinning: true, ...options });
  }

  async run(inputs: Buffers, outputs: Buffers): Promise<void> {
    // Lets signals and timers run before the main thread is busy.
    await new Promise(setImmediate);
    const runtime = onnxRuntime();
    const feeds = Object.entries(inputs).map(([name, { dtype, data, shape }]): [string, Tensor] => {
      return [name, new runtime.Tensor(dtype, data, [...shape])];
    });
    const results = this.session.run(Object.fromEntries(feeds));
    for (const [name, { data }] of Object.entries(outputs)) data.set(results[name].data as Float32Array);
  }

  release(): void {
    this.session.release();
  }
}
