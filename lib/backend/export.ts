import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { currentOnnxBackend } from './backend.js';
import { optimize } from './optimize.js';
import { differ, trace, type Tensors } from './trace.js';
import { CaptionerError } from '../errors.js';

/** A function as an ONNX file without its weights. */
export interface ExportedGraph {
  /** The .onnx file. Its inputs are the function's inputs and, by name, the weights it uses. */
  readonly model: Uint8Array;
  /** The weights that it uses. */
  readonly weights: readonly string[];
}

/** Two batch sizes that no layer of a model has by chance. */
const BATCHES = [7, 11] as const;

/**
 * Writes a function of tensors as an ONNX graph that fits any batch size: it is traced with two sizes, and what differs between
 * the two must be the first dimension of inputs and outputs and nothing else. Needs the 'onnx' backend.
 *
 * @param build the function: named tensors in, named tensors out.
 * @param examples inputs of a given batch size; only their shapes and types matter.
 * @param weights the variables that the function may use, by the names that the graph's inputs get.
 * @throws CaptionerError `unsupported` if the function does something else with another batch size.
 */
export function exportGraph(
  build: (inputs: Tensors) => Tensors,
  examples: (batch: number) => Tensors,
  weights: Record<string, Variable>,
): ExportedGraph {
  const backend = currentOnnxBackend();
  if (!backend)
    throw new CaptionerError(
      'unsupported',
      "Exporting a graph needs the 'onnx' backend: call useBackend('onnx') first.",
    );
  const names = new Map(Object.entries(weights).map(([name, variable]) => [variable, name]));
  const traces = BATCHES.map((batch) => {
    const inputs = examples(batch);
    const traced = trace(backend, build, inputs, {
      nameOf: (variable) => names.get(variable) ?? variable.name,
      dims: (shape) => shape.map((d, axis) => (axis === 0 && d === batch ? 'batch' : d)),
    });
    Object.values(inputs).forEach((tensor: Tensor) => {
      tensor.dispose();
    });
    if ('executed' in traced)
      throw new CaptionerError('unsupported', 'A function that creates variables cannot be exported.');
    return traced;
  });
  const difference = differ(traces[0].graph, traces[1].graph);
  if (difference) {
    throw new CaptionerError(
      'unsupported',
      `This function can't be exported for any batch size: ${difference} with the batch size.`,
    );
  }
  const { graph, outputs, reads } = traces[0];
  // Outputs are known by the function's own names for them.
  const named = new Map(Object.entries(outputs).map(([name, output]) => [output.name, name]));
  const rename = (name: string) => named.get(name) ?? name;
  for (const node of graph.nodes) {
    node.input = node.input!.map(rename);
    node.output = node.output!.map(rename);
  }
  for (const output of graph.outputs) output.name = rename(output.name);
  optimize(graph, { portable: true });
  return { model: graph.encode(), weights: [...reads.values()] };
}
