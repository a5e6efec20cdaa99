import { engine, tidy, type Variable } from '@tensorflow/tfjs-core';
import { Tensor as OrtTensor } from 'onnxruntime-node';
import { currentOnnxBackend, type OnnxBackend } from './backend.js';
import { isDtype, type Dtype, type GraphBuilder } from './onnx/graph.js';
import { Session, type SessionOptions } from './onnx/session.js';
import { optimize } from './optimize.js';
import { internals, tracePure, type Tensors, type Trace } from './trace.js';
import { CaptionerError } from '../errors.js';

/** A step that runs as one graph. The caller disposes of the tensors it returns. */
export interface CompiledStep<I extends Tensors, O extends Tensors> {
  (inputs: I): Promise<O>;
  /** Graphs made so far: one for each set of input shapes. */
  readonly graphs: number;
  /** Frees the graphs. */
  dispose(): void;
}

/**
 * Turns a step of plain TensorFlow.js operations into one ONNX graph for each set of input shapes: traced when such inputs first
 * come, run by ONNX Runtime from then on. Variables that the step reads or assigns (weights, optimiser slots) are read and updated
 * as they would be. On any backend but 'onnx' the step just runs.
 *
 * Everything else that changes from call to call must be an input tensor: dropout masks, the learning rate, the number of the
 * step. A step that breaks this is refused.
 *
 * @throws CaptionerError `impure-step` if the step depends on something that is not an input or variable, `unsupported` if it uses
 * an operation that the graph can't hold.
 */
export function compile<I extends Tensors, O extends Tensors>(
  step: (inputs: I) => O,
  options: SessionOptions = {},
): CompiledStep<I, O> {
  const graphs = new Map<string, CompiledGraph>();
  const run = async (inputs: I): Promise<O> => {
    // Signals and timers get their turn between two steps.
    await new Promise(setImmediate);
    const backend = currentOnnxBackend();
    if (!backend) return tidy(() => step(inputs));
    const key = Object.entries(inputs)
      .map(([name, { dtype, shape }]) => `${name}:${dtype}:${shape.join('x')}`)
      .join(' ');
    let graph = graphs.get(key);
    if (!graph) {
      const traced = tracePure(backend, step as (inputs: Tensors) => O, inputs);
      if ('executed' in traced) return traced.executed;
      graph = new CompiledGraph(backend, traced, options);
      graphs.set(key, graph);
    }
    return graph.run(inputs) as O;
  };
  return Object.defineProperties(run, {
    graphs: { get: () => graphs.size },
    dispose: {
      value: () => {
        for (const graph of graphs.values()) graph.release();
        graphs.clear();
      },
    },
  }) as CompiledStep<I, O>;
}

/** Loads a traced graph. */
export function load(graph: GraphBuilder, options: SessionOptions): Session {
  optimize(graph);
  return new Session(graph.encode(), { spinning: true, ...options });
}

class CompiledGraph {
  private readonly session: Session;
  private readonly inputs: Set<string>;

  constructor(
    private readonly backend: OnnxBackend,
    private readonly traced: Trace,
    options: SessionOptions,
  ) {
    this.session = load(traced.graph, options);
    this.inputs = new Set(traced.graph.inputs.map(({ name }) => name));
    // The session has its own copy.
    traced.graph.nodes = [];
    traced.graph.constants.clear();
  }

  run(inputs: Tensors): Tensors {
    const { backend, traced } = this;
    const feeds: Record<string, OrtTensor> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      if (!isDtype(tensor.dtype)) throw new CaptionerError('unsupported', `Input ${name} is of type ${tensor.dtype}.`);
      if (this.inputs.has(name)) feeds[name] = ortTensor(backend.valuesOf(tensor), tensor.dtype, tensor.shape);
    }
    for (const [variable, name] of traced.reads)
      feeds[name] = ortTensor(backend.valuesOf(variable), variable.dtype as Dtype, variable.shape);

    const into: Record<string, OrtTensor> = {};
    const targets = new Map<Variable, Float32Array>();
    for (const [variable, name] of traced.writes) {
      const target = takeSpare(backend, variable);
      targets.set(variable, target);
      into[name] = ortTensor(target, variable.dtype as Dtype, variable.shape);
    }
    const results = this.session.run(feeds, into);
    for (const [variable, target] of targets) replaceValues(backend, variable, target);

    return Object.fromEntries(
      Object.entries(traced.outputs).map(([name, output]) => {
        const info = backend.makeTensorInfo(output.shape, output.dtype, results[output.name].data as Float32Array);
        return [name, internals().makeTensorFromTensorInfo.call(engine(), info, backend)];
      }),
    );
  }

  release(): void {
    this.session.release();
  }
}

/** ONNX Runtime's view of a typed array, made once for each array. */
const views = new WeakMap<object, OrtTensor>();

function ortTensor(values: Float32Array | Int32Array | Uint8Array, dtype: Dtype, shape: readonly number[]): OrtTensor {
  const known = views.get(values);
  if (known?.type === dtype && known.dims.length === shape.length && known.dims.every((d, i) => d === shape[i]))
    return known;
  const view = new OrtTensor(dtype, values, [...shape]);
  views.set(values, view);
  return view;
}

/**
 * Each variable that compiled steps assign has two buffers, written in turn: a step reads one and writes the other, so that
 * nothing is allocated, and a step that fails has changed nothing.
 */
const spares = new WeakMap<Variable, Float32Array>();

function takeSpare(backend: OnnxBackend, variable: Variable): Float32Array {
  const spare = spares.get(variable);
  spares.delete(variable);
  if (spare?.length === variable.size) return spare;
  const fresh = variable.dtype === 'float32' ? new Float32Array(variable.size) : new Int32Array(variable.size);
  backend.recycled.add(fresh);
  return fresh as Float32Array;
}

function replaceValues(backend: OnnxBackend, variable: Variable, values: Float32Array): void {
  const data = backend.data.get(variable.dataId) as { values: Float32Array; refCount: number };
  if (data.refCount > 1) {
    // Someone else holds a tensor on the same data (a clone): it keeps its values.
    const info = backend.makeTensorInfo(variable.shape, variable.dtype, values);
    const tensor = internals().makeTensorFromTensorInfo.call(engine(), info, backend);
    variable.assign(tensor);
    tensor.dispose();
    return;
  }
  if (backend.recycled.has(data.values)) spares.set(variable, data.values);
  data.values = values;
}
