import { engine, tidy, type Tensor, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import type { OnnxBackend } from './backend.js';
import { internals } from './engine-internals.js';
import { Recorder } from './recorder.js';
import { bytesOf, type Dimensions, type GraphBuilder } from '../onnx/graph-builder.js';
import { CaptionerError } from '../errors.js';

export type Tensors = Record<string, Tensor>;

/** A step as a graph. */
export interface Trace {
  readonly graph: GraphBuilder;
  /** Names of the graph's outputs, by the step's names for them. */
  readonly outputs: Record<string, { name: string; shape: number[]; dtype: TensorInfo['dtype'] }>;
  /** Variables that the step reads, with their graph inputs. */
  readonly reads: Map<Variable, string>;
  /** Variables that the step assigns, with their graph outputs. */
  readonly writes: Map<Variable, string>;
}

export interface TraceOptions {
  /**
   * The graph's name for a variable. Default: its registered name, unless that collides with the
   * graph's own values.
   */
  nameOf?(variable: Variable): string;
  /** Dimensions to declare for an input or output of this shape. Default: the shape itself. */
  dims?(shape: number[]): Dimensions;
}

/**
 * The graph's own values are named #v0, #c0 and so on. A variable with such a name, read from
 * another graph, is renamed.
 */
const inputName = ({ name }: Variable) => name.replace(/^#/, '##');

/**
 * Runs through a step once and records it without computing. Afterwards all variables have their
 * previous values; those that the step creates, as an optimiser's first call does, have their
 * initial ones.
 */
export function trace(
  backend: OnnxBackend,
  step: (inputs: Tensors) => Tensors,
  inputs: Tensors,
  { nameOf = inputName, dims = (shape) => shape }: TraceOptions = {},
): Trace {
  if (backend.recorder)
    throw new CaptionerError('unsupported', 'A compiled step was called inside another compiled step.');
  const recorder = new Recorder(backend, nameOf);
  // New tensors without values, so that each input has its own data.
  const fresh = Object.entries(inputs).map(([name, { shape, dtype }]): [string, Tensor] => {
    const info = backend.makeTensorInfo(shape, dtype, new Float32Array(0));
    return [name, internals().makeTensorFromTensorInfo.call(engine(), info, backend)];
  });
  for (const [name, tensor] of fresh) recorder.input(name, tensor, dims(tensor.shape));
  backend.recorder = recorder;
  try {
    const results = tidy(() => step(Object.fromEntries(fresh)));
    backend.recorder = undefined;
    const outputs: Trace['outputs'] = {};
    for (const [name, tensor] of Object.entries(results)) {
      const { shape, dtype } = tensor;
      outputs[name] = { name: recorder.output(tensor, dims(shape)), shape, dtype };
      tensor.dispose();
    }
    const writes = new Map<Variable, string>();
    for (const [dataId, variable] of recorder.variables) {
      if (variable.dataId !== dataId) writes.set(variable, recorder.output(variable));
    }
    return { graph: recorder.graph, outputs, reads: recorder.read, writes };
  } finally {
    backend.recorder = undefined;
    for (const [, tensor] of fresh) tensor.dispose();
    recorder.restoreVariables();
  }
}

/**
 * Traces twice. If the step depends only on its inputs and variables, both graphs are equal.
 * @throws CaptionerError `impure-step`, naming the operation that depends on something else.
 */
export function tracePure(backend: OnnxBackend, step: (inputs: Tensors) => Tensors, inputs: Tensors): Trace {
  const first = trace(backend, step, inputs);
  const second = trace(backend, step, inputs);
  const difference = differ(first.graph, second.graph);
  if (difference) {
    throw new CaptionerError(
      'impure-step',
      `The compiled step depends on something that is not one of its inputs: ${difference}. Pass random numbers, counters and learning ` +
        'rates as tensors; otherwise the graph would keep their first value forever.',
    );
  }
  return first;
}

/** The first difference between two graphs, in words. */
export function differ(a: GraphBuilder, b: GraphBuilder): string | undefined {
  for (let i = 0; i < Math.max(a.nodes.length, b.nodes.length); i++) {
    const [p, q] = [a.nodes[i], b.nodes[i]];
    if (p?.opType !== q?.opType)
      return `operation ${i} is ${p?.opType ?? 'missing'} the first time and ${q?.opType ?? 'missing'} the second time`;
  }
  for (const [name, { dims, data }] of a.constants) {
    const other = b.constants.get(name);
    if (!other || dims.join() !== other.dims.join() || Buffer.compare(bytesOf(data), bytesOf(other.data)) !== 0) {
      return `a constant of shape [${dims.join(', ')}] used by ${a.originOf(name)} changed`;
    }
  }
  const uses = (graph: GraphBuilder) =>
    JSON.stringify(graph.nodes, (key, value: unknown) => (key === 'rawData' ? null : value));
  return uses(a) === uses(b) ? undefined : 'it connects the same operations differently';
}
