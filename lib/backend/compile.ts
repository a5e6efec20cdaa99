import { engine, tidy, util, type DataType, type Variable } from '@tensorflow/tfjs-core';
import { currentOnnxBackend, type OnnxBackend } from './backend.js';
import { isDtype, type Dtype } from '../onnx/graph-builder.js';
import { loadGraph, type Buffer, type Buffers, type GraphSession } from '../onnx/graph-session.js';
import type { SessionOptions } from '../onnx/session.js';
import { addRows, takeRowSums, type RowSum } from './kernels/row-sum.js';
import { dropUnused, optimize } from './optimize.js';
import { internals } from './engine-internals.js';
import { tracePure, type Tensors, type Trace } from './trace.js';
import { CaptionerError } from '../errors.js';

/** Work next to a step, in its turn: no other compiled step runs between it and the step. */
export interface StepHooks<O extends Tensors> {
  before?(): void;
  after?(outputs: O): void;
}

/** A step that runs as one graph. The caller disposes of the tensors it returns. */
export interface CompiledStep<I extends Tensors, O extends Tensors> {
  (inputs: I, hooks?: StepHooks<O>): Promise<O>;
  /** Number of graphs so far, one per set of input shapes. */
  readonly graphs: number;
  /** Frees the graphs. */
  dispose(): void;
}

export interface CompileOptions extends SessionOptions {
  /** Memory that outputs are written to, by their names. Others get memory of their own. */
  readonly memory?: ReadonlyMap<string, Float32Array>;
}

/**
 * Compiles a step of plain TensorFlow.js operations into one ONNX graph per set of input shapes.
 * The first call with new shapes traces the step; ONNX Runtime runs the graph from then on.
 * Variables that the step reads or assigns (weights, optimiser slots) are read and updated as
 * usual. On any backend but 'onnx' the step simply runs.
 *
 * Everything else that changes between calls must be an input tensor: dropout masks, the learning
 * rate, the step number. A step that breaks this rule is refused.
 *
 * @throws CaptionerError `impure-step` if the step depends on anything but inputs and variables;
 * `unsupported` if it uses an operation without an ONNX rule.
 */
export function compile<I extends Tensors, O extends Tensors>(
  step: (inputs: I) => O,
  options: CompileOptions = {},
): CompiledStep<I, O> {
  const graphs = new Map<string, CompiledGraph>();
  const runNow = async (inputs: I): Promise<O> => {
    const backend = currentOnnxBackend();
    if (!backend) return tidy(() => step(inputs));
    const key = Object.entries(inputs)
      .map(([name, { dtype, shape }]) => `${name}:${dtype}:${shape.join('x')}`)
      .join(' ');
    let graph = graphs.get(key);
    if (!graph) {
      graph = new CompiledGraph(backend, tracePure(backend, step as (inputs: Tensors) => O, inputs), options);
      graphs.set(key, graph);
    }
    return (await graph.run(inputs)) as O;
  };
  const run = (inputs: I, hooks: StepHooks<O> = {}): Promise<O> =>
    inTurn(async () => {
      hooks.before?.();
      const outputs = await runNow(inputs);
      hooks.after?.(outputs);
      return outputs;
    });
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

let turn: Promise<unknown> = Promise.resolve();

/**
 * Runs compiled steps one after another, even if they are not awaited: each sees the variables that
 * the previous one left.
 */
function inTurn<T>(run: () => Promise<T>): Promise<T> {
  const result = turn.then(run);
  turn = result.catch(() => undefined);
  return result;
}

class CompiledGraph {
  private readonly session: GraphSession;
  private readonly inputs: Set<string>;
  private readonly rowSums: readonly (RowSum & { readonly parts: Buffers })[];

  constructor(
    private readonly backend: OnnxBackend,
    private readonly traced: Trace,
    private readonly options: CompileOptions,
  ) {
    const { graph } = traced;
    optimize(graph);
    this.rowSums = takeRowSums(graph).map((sum) => ({ ...sum, parts: partsOf(sum) }));
    dropUnused(graph);
    this.session = loadGraph(graph.encode(), options);
    this.inputs = new Set(graph.inputs.map(({ name }) => name));
    // The session has its own copy.
    graph.nodes = [];
    graph.constants.clear();
  }

  async run(inputs: Tensors): Promise<Tensors> {
    const { backend, traced } = this;
    const feeds: Record<string, Buffer> = {};
    for (const [name, tensor] of Object.entries(inputs)) {
      if (this.inputs.has(name)) feeds[name] = bufferOf(tensor, backend.valuesOf(tensor));
    }
    for (const [variable, name] of traced.reads) feeds[name] = bufferOf(variable, backend.valuesOf(variable));

    const into: Record<string, Buffer> = {};
    const targets = new Map<Variable, Values>();
    for (const [variable, name] of traced.writes) {
      const target = takeSpare(backend, variable);
      targets.set(variable, target);
      into[name] = bufferOf(variable, target);
    }
    for (const [given, { name, shape, dtype }] of Object.entries(traced.outputs)) {
      const memory = this.options.memory?.get(given) ?? blank(dtype, util.sizeFromShape(shape));
      into[name] = bufferOf({ shape, dtype }, memory);
    }
    await this.compute(feeds, into);
    for (const [variable, target] of targets) replaceValues(backend, variable, target);

    return Object.fromEntries(
      Object.entries(traced.outputs).map(([name, output]) => {
        const info = backend.makeTensorInfo(output.shape, output.dtype, into[output.name].data);
        return [name, internals().makeTensorFromTensorInfo.call(engine(), info, backend)];
      }),
    );
  }

  /** Runs the graph, and adds up the sums of rows that were taken out of it. */
  private async compute(feeds: Buffers, outputs: Readonly<Record<string, Buffer>>): Promise<void> {
    const later = new Set(this.rowSums.flatMap(({ sums, squares }) => [sums, squares]));
    const now = Object.entries(outputs).filter(([name]) => !later.has(name));
    const parts = this.rowSums.flatMap((sum) => Object.entries(sum.parts));
    await this.session.run(feeds, Object.fromEntries([...now, ...parts]));
    for (const { sums, squares, rows, places, parts } of this.rowSums) {
      const values = [outputs[sums], parts[rows], parts[places]].map(({ data }) => data);
      const total = addRows(...(values as [Float32Array, Float32Array, Int32Array]));
      if (squares !== undefined) outputs[squares].data[0] = total;
    }
  }

  release(): void {
    this.session.release();
  }
}

type Values = Float32Array | Int32Array | Uint8Array;

/** Memory for the rows of a sum and their places. */
function partsOf({ rows, places, shape }: RowSum): Buffers {
  return Object.fromEntries([
    [rows, bufferOf({ shape, dtype: 'float32' }, new Float32Array(util.sizeFromShape([...shape])))],
    [places, bufferOf({ shape: [shape[0]], dtype: 'int32' }, new Int32Array(shape[0]))],
  ]);
}

function bufferOf({ shape, dtype }: { shape: readonly number[]; dtype: DataType }, data: Values): Buffer {
  if (!isDtype(dtype))
    throw new CaptionerError('unsupported', `A compiled step does not support tensors of type ${dtype}.`);
  return { data, dtype: dtype as Dtype, shape };
}

function blank(dtype: DataType, size: number): Values {
  if (dtype === 'float32') return new Float32Array(size);
  return dtype === 'int32' ? new Int32Array(size) : new Uint8Array(size);
}

/**
 * Each variable that compiled steps assign has two buffers. A step reads one and writes the other,
 * so that it allocates nothing, and a step that fails changes nothing.
 */
const spares = new WeakMap<Variable, Values>();

function takeSpare(backend: OnnxBackend, variable: Variable): Values {
  const spare = spares.get(variable);
  spares.delete(variable);
  if (spare?.length === variable.size) return spare;
  const fresh = blank(variable.dtype, variable.size);
  backend.recycled.add(fresh);
  return fresh;
}

function replaceValues(backend: OnnxBackend, variable: Variable, values: Values): void {
  const data = backend.data.get(variable.dataId) as { values: Values; refCount: number };
  if (data.refCount > 1) {
    // Another tensor (a clone) shares the data and must keep its values.
    const info = backend.makeTensorInfo(variable.shape, variable.dtype, values);
    const tensor = internals().makeTensorFromTensorInfo.call(engine(), info, backend);
    variable.assign(tensor);
    tensor.dispose();
    return;
  }
  if (backend.recycled.has(data.values)) spares.set(variable, data.values);
  data.values = values;
}
