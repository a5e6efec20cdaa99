import type { Tensor, Variable } from '@tensorflow/tfjs-core';
import { currentOnnxBackend } from './backend.js';
import { optimize } from './optimize.js';
import { differ, trace, type Tensors } from './trace.js';
import { CaptionerError } from '../errors.js';

/** A function as an ONNX file without its weights. */
export interface ExportedGraph {
  /** The .onnx file. Its inputs are the function's inputs and, by name, the weights it uses. */
  readonly model: Uint8Array;
  /** Names of the weights it uses. */
  readonly weights: readonly string[];
}

/** Two batch sizes that are unlikely to be a layer's size. */
const BATCHES = [7, 11] as const;

/**
 * Exports a function of tensors as an ONNX graph for any batch size. It traces the function with
 * two batch sizes; only the first dimension of inputs and outputs may differ. Needs the 'onnx'
 * backend.
 *
 * @param build the function, from named tensors to named tensors.
 * @param examples inputs of a given batch size. Only shapes and types matter.
 * @param weights the variables that the function may use, by their names in the graph.
 * @throws CaptionerError `unsupported` if the function depends on the batch size in another way.
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
      "Exporting a graph needs the 'onnx' backend. Call useBackend('onnx') first.",
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
      throw new CaptionerError(
        'unsupported',
        'A function that creates variables cannot be exported. Create them before it runs.',
      );
    return traced;
  });
  const difference = differ(traces[0].graph, traces[1].graph);
  if (difference) {
    throw new CaptionerError(
      'unsupported',
      `This function can't be exported for any batch size: its graph depends on the batch size (${difference}).`,
    );
  }
  const { graph, outputs, reads } = traces[0];
  // Outputs get the function's own names.
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
