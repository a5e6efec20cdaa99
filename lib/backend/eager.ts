import type { TensorInfo } from '@tensorflow/tfjs-core';
import type { Tensor } from 'onnxruntime-common';
import type { KernelInputs, TensorStorage } from './tensor-storage.js';
import type { Attributes, KernelRule, Operands } from './kernels/rule.js';
import { sizeOf } from './kernels/rule.js';
import { GraphBuilder, isDtype, tfType, type Dtype } from '../onnx/graph-builder.js';
import { onnxRuntime } from '../onnx/runtime.js';
import { Session } from '../onnx/session.js';

/** Maximum number of cached sessions, about 50 KB each. The least recently used goes first. */
const MAX_SESSIONS = 1000;

/** Runs single kernels, each as a tiny ONNX graph with a cached session. */
export class EagerSessions {
  /**
   * Smallest work, in numbers touched or multiplied, for which a native call is faster than
   * JavaScript.
   */
  smallestWork = 8192;
  /** undefined: ONNX Runtime does not implement these data types. */
  private readonly sessions = new Map<string, Session | undefined>();
  private readonly inferred = new Map<string, { dtype: Dtype; shape: number[] }[]>();

  constructor(private readonly backend: TensorStorage) {}

  /** The outputs, or undefined if the kernel runs better, or only, in JavaScript. */
  run(
    name: string,
    rule: KernelRule,
    inputs: KernelInputs,
    attributes: Attributes,
  ): TensorInfo | TensorInfo[] | undefined {
    const operands = operandsOf(inputs);
    if (!operands) return undefined;
    const sizes = Object.values(operands).map(({ shape }) => sizeOf(shape));
    if (sizes.includes(0)) return undefined;
    if ((rule.work?.(operands, attributes) ?? Math.max(...sizes)) < this.smallestWork) return undefined;
    const session = this.session(name, rule, operands, attributes);
    if (!session) return undefined;

    const runtime = onnxRuntime();
    const feeds: Record<string, Tensor> = {};
    for (const [key, { dtype, shape }] of Object.entries(operands)) {
      feeds[key] = new runtime.Tensor(dtype, this.backend.valuesOf(inputs[key]), [...shape]);
    }
    const results = session.run(feeds);
    const outputs = session.outputs.map(({ name: output }) => {
      const { dims, type, data } = results[output];
      return this.backend.makeTensorInfo([...dims], type as Dtype, data as Float32Array);
    });
    return outputs.length === 1 ? outputs[0] : outputs;
  }

  /**
   * Infers the shapes and types of a kernel's outputs without running it: tensors without values.
   * @throws if ONNX Runtime can't run the kernel on such inputs.
   */
  infer(name: string, rule: KernelRule, inputs: KernelInputs, attributes: Attributes): TensorInfo[] {
    const operands = operandsOf(inputs);
    if (!operands) throw new Error('an input is neither float32, int32 nor bool');
    const signature = Object.values(operands).map(({ dtype, shape }) => `${dtype}:${shape.join('x')}`);
    const key = `${name} ${signature.join(' ')} ${JSON.stringify(attributes)}`;
    let outputs = this.inferred.get(key);
    if (!outputs) {
      const session = this.build({ ...rule, anyShape: false }, operands, attributes);
      outputs = session.outputs.map(({ type, shape }) => ({ dtype: tfType(type), shape: [...shape] }));
      session.release();
      this.inferred.set(key, outputs);
    }
    return outputs.map(({ dtype, shape }) => this.backend.makeTensorInfo([...shape], dtype, new Float32Array(0)));
  }

  private session(name: string, rule: KernelRule, operands: Operands, attributes: Attributes): Session | undefined {
    const signature = Object.entries(operands).map(
      ([key, { dtype, shape }]) => `${key}:${dtype}:${rule.anyShape ? shape.length : shape.join('x')}`,
    );
    const key = `${name} ${signature.join(' ')} ${JSON.stringify(attributes)}`;
    if (this.sessions.has(key)) {
      const session = this.sessions.get(key);
      this.sessions.delete(key);
      this.sessions.set(key, session);
      return session;
    }
    let session: Session | undefined;
    try {
      session = this.build(rule, operands, attributes);
    } catch {
      // JavaScript can run it.
    }
    this.sessions.set(key, session);
    if (this.sessions.size > MAX_SESSIONS) {
      const [oldest, unused] = this.sessions.entries().next().value!;
      this.sessions.delete(oldest);
      unused?.release();
    }
    return session;
  }

  private build(rule: KernelRule, operands: Operands, attributes: Attributes): Session {
    const graph = new GraphBuilder();
    for (const { name, dtype, shape } of Object.values(operands)) {
      graph.input(name, dtype, rule.anyShape ? shape.map((_, i) => `${name}_${i}`) : shape);
    }
    const outputs = rule.emit(graph, operands, attributes);
    for (const output of [outputs].flat()) graph.output(output);
    try {
      return new Session(graph.encode(), { threads: rule.threaded ? undefined : 1, optimization: 'basic' });
    } catch (cause) {
      const types = Object.values(operands).map(({ dtype, shape }) => `${dtype}:${shape.join('x')}`);
      throw new Error(`ONNX Runtime does not implement it for ${types.join(', ')}`, { cause });
    }
  }
}

/** The inputs by the kernel's names, or undefined if ONNX has no counterpart for a type. */
function operandsOf(inputs: KernelInputs): Operands | undefined {
  const operands: Operands = {};
  for (const [name, info] of Object.entries(inputs)) {
    if (!info) continue;
    const { shape, dtype } = info;
    if (!isDtype(dtype)) return undefined;
    operands[name] = { name, shape, dtype };
  }
  return operands;
}
