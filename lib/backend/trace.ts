import { engine, tidy, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import type { OnnxBackend } from './backend.js';
import { Recorder } from './recorder.js';
import { bytesOf, type Dimensions, type GraphBuilder } from './onnx/graph.js';
import { CaptionerError } from '../errors.js';

export type Tensors = Record<string, Tensor>;

/** What TensorFlow.js' engine offers beyond its typed interface. */
interface EngineInternals {
  state: { registeredVariables: Record<string, Variable> };
  incRef(tensor: Tensor, backend: null): void;
  removeDataId(dataId: TensorInfo['dataId'], backend: OnnxBackend): void;
  makeTensorFromTensorInfo(info: TensorInfo, backend: OnnxBackend): Tensor;
}

export const internals = () => engine() as unknown as EngineInternals;

/** A step as a graph. */
export interface Trace {
  readonly graph: GraphBuilder;
  /** Names of the graph's outputs by the step's names for them. */
  readonly outputs: Record<string, { name: string; shape: number[]; dtype: TensorInfo['dtype'] }>;
  /** Variables that the step reads, and the graph's inputs for them. */
  readonly reads: Map<Variable, string>;
  /** Variables that the step assigns, and the graph's outputs for them. */
  readonly writes: Map<Variable, string>;
}

export interface TraceOptions {
  /** The graph's name for a variable. Default: the name it is registered by. */
  nameOf?(variable: Variable): string;
  /** Dimensions to declare for an input or output of this shape. Default: the shape itself. */
  dims?(shape: number[]): Dimensions;
}

/**
 * Runs a step once and writes down what it does. All variables have their former values afterwards, unless the step created
 * variables (as an optimiser's first call does): then nothing can be traced, and what the step did stands, as `executed`.
 */
export function trace<O extends Tensors>(
  backend: OnnxBackend,
  step: (inputs: Tensors) => O,
  inputs: Tensors,
  { nameOf = (variable) => variable.name, dims = (shape) => shape }: TraceOptions = {},
): Trace | { executed: O } {
  if (backend.recorder)
    throw new CaptionerError('unsupported', 'A compiled step was called inside another compiled step.');
  const { state, makeTensorFromTensorInfo } = internals();
  const before = Object.values(state.registeredVariables).map((variable) => ({ variable, dataId: variable.dataId }));
  const recorder = new Recorder(
    backend,
    before.map(({ variable }) => variable),
    nameOf,
  );
  // Fresh tensors on the same values, so that each input has data of its own.
  const fresh = Object.entries(inputs).map(([name, { shape, dtype, dataId }]): [string, Tensor] => {
    const { values } = backend.data.get(dataId) as { values: Float32Array };
    return [name, makeTensorFromTensorInfo.call(engine(), backend.makeTensorInfo(shape, dtype, values), backend)];
  });
  for (const [name, tensor] of fresh) recorder.input(name, tensor, dims(tensor.shape));
  for (const { dataId } of before) backend.incRef(dataId);

  let keep = false;
  backend.recorder = recorder;
  try {
    const results = tidy(() => step(Object.fromEntries(fresh)));
    backend.recorder = undefined;
    keep = Object.keys(state.registeredVariables).length !== before.length;
    if (keep) return { executed: results };
    const outputs: Trace['outputs'] = {};
    for (const [name, tensor] of Object.entries(results)) {
      const { shape, dtype } = tensor;
      outputs[name] = { name: recorder.output(tensor, dims(shape)), shape, dtype };
      tensor.dispose();
    }
    const writes = new Map<Variable, string>();
    for (const { variable, dataId } of before) {
      if (variable.dataId !== dataId) writes.set(variable, recorder.output(variable));
    }
    return { graph: recorder.graph, outputs, reads: recorder.read, writes };
  } finally {
    backend.recorder = undefined;
    for (const [, tensor] of fresh) tensor.dispose();
    for (const { variable, dataId } of before) (keep ? forget : restore)(backend, variable, dataId);
  }
}

/** Gives a variable the data back that it had before the step. */
function restore(backend: OnnxBackend, variable: Variable, dataId: TensorInfo['dataId']): void {
  if (variable.dataId !== dataId) {
    engine().disposeTensor(variable);
    (variable as { dataId: TensorInfo['dataId'] }).dataId = dataId;
    internals().incRef(variable, null);
  }
  backend.decRef(dataId);
}

/** Lets go of the data that a variable had before the step. */
function forget(backend: OnnxBackend, _: Variable, dataId: TensorInfo['dataId']): void {
  if (backend.disposeData(dataId)) internals().removeDataId(dataId, backend);
}

/**
 * Traces twice. A step is pure if it depends on nothing but its inputs and variables: then both graphs are the same.
 * @throws CaptionerError `impure-step`, naming the operation that used something else.
 */
export function tracePure<O extends Tensors>(
  backend: OnnxBackend,
  step: (inputs: Tensors) => O,
  inputs: Tensors,
): Trace | { executed: O } {
  const first = trace(backend, step, inputs);
  if ('executed' in first) return first;
  const second = trace(backend, step, inputs);
  if ('executed' in second) return second;
  const difference = differ(first.graph, second.graph);
  if (difference) {
    throw new CaptionerError(
      'impure-step',
      `The compiled step depends on something that is not one of its inputs: ${difference}. Random numbers, counters and learning ` +
        'rates must be passed in as tensors, or the graph would keep their first value for ever.',
    );
  }
  return first;
}

/** The first difference between two graphs, in words. */
export function differ(a: GraphBuilder, b: GraphBuilder): string | undefined {
  for (let i = 0; i < Math.max(a.nodes.length, b.nodes.length); i++) {
    const [p, q] = [a.nodes[i], b.nodes[i]];
    if (p?.opType !== q?.opType)
      return `at operation ${i} it does ${p?.opType ?? 'nothing'} once and ${q?.opType ?? 'nothing'} then`;
  }
  for (const [name, { dims, data }] of a.constants) {
    const other = b.constants.get(name);
    if (!other || dims.join() !== other.dims.join() || Buffer.compare(bytesOf(data), bytesOf(other.data)) !== 0) {
      return `a constant of shape [${dims.join(', ')}] used by ${a.originOf(name)} has changed`;
    }
  }
  const uses = (graph: GraphBuilder) =>
    JSON.stringify(graph.nodes, (key, value: unknown) => (key === 'rawData' ? null : value));
  return uses(a) === uses(b) ? undefined : 'it joins the same operations in another way';
}
