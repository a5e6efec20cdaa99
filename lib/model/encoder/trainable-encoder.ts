import * as tf from '@tensorflow/tfjs-core';
import { decodeModel, type Graph } from '../../onnx/protobuf.js';
import { CaptionerError } from '../../errors.js';
import type { EncoderSource } from './encoder-source.js';
import { encoderValues } from './encoder-file.js';
import type { Normalisation } from '../../config.js';
import { detachHead } from './detach-head.js';
import { chooseNormalisation } from './photo-normalisation.js';
import { floatConstant, transposed, type Constant } from '../../onnx/constants.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import { OnnxNode } from './onnx-node.js';
import { operators, type Layout, type Operator, type Value } from './onnx-ops.js';
import { createVariable, disposeVariables, type Variables } from '../variables.js';

/** An executable node. */
interface Step {
  readonly node: OnnxNode;
  readonly operator: Operator;
}

/** Options of a trainable encoder. */
export interface TrainableEncoderOptions {
  /** Number of trained layers, counted back from the features; 0 trains all. */
  readonly layers?: number;
  /** Normalisation for networks whose registry entry or file does not give it. */
  readonly normalisation?: Normalisation | undefined;
  /** Values of variables to resume from, by name, in place of the file's. */
  readonly weights?: ReadonlyMap<string, { readonly data: Float32Array }>;
}

/**
 * An encoder whose weights are TensorFlow.js variables: a pretrained network read from its ONNX
 * file for further training. Batch normalisation behaves as at inference: its mean and variance are
 * constants, its scale and offset are trained.
 */
export class TrainableEncoder {
  /** Every weight by the name of its value in the file, in TensorFlow.js' layout; those that are `trainable` are for the optimiser. */
  readonly variables: Variables;
  /** The layout of each of `variables`. */
  readonly layouts: ReadonlyMap<string, Layout>;
  /** The network without its head: an ONNX file. */
  readonly model: Uint8Array;
  /** Names of its input and outputs there. */
  readonly values: { readonly input: string; readonly features: string; readonly map?: string };
  readonly name: string;
  readonly dimension: number;
  /** Width and height of its photos. */
  readonly inputSize: number;
  readonly normalisation: Normalisation;
  /** Convolutions and matrices, from the photo to the features. */
  readonly layers: number;
  private readonly steps: readonly Step[];
  private readonly integers = new Map<string, readonly number[]>();
  private readonly constants = new Map<string, Constant>();

  /**
   * @throws CaptionerError `unsupported`: the network has an operator that can't be trained here; the message names it.
   *   `corrupt`: no ONNX model. `bad-option`: more layers than there are. `mismatch`: weights that are not the network's.
   */
  constructor(source: EncoderSource, options: TrainableEncoderOptions = {}) {
    const { bytes, file, known, headless } = source;
    const { map: mapName, ...names } = encoderValues;
    const network =
      headless && known
        ? { ...known, ...names, model: bytes, map: known.map === false ? undefined : mapName }
        : { map: undefined, ...detachHead(bytes, file) };
    const { model, input, features, map } = network;
    this.model = model;
    this.values = { input, features, ...(map !== undefined && { map }) };
    this.name = source.name;
    ({ dimension: this.dimension, inputSize: this.inputSize } = { ...network, ...known });
    this.normalisation = chooseNormalisation(source, options.normalisation);

    const { graph } = decodeModel(model);
    const values = new GraphReader(graph);
    this.steps = stepsOf(values.cut([features]), values, file);
    const found = this.readConstants(values);
    this.layers = Math.max(0, ...[...found.values()].map(({ layer }) => layer));
    if ((options.layers ?? 0) > this.layers) {
      throw new CaptionerError(
        'bad-option',
        `The encoder ${this.name} has ${this.layers} ${this.layers === 1 ? 'layer' : 'layers'}: ${options.layers} can't be trained.`,
      );
    }
    const first = options.layers ? this.layers - options.layers + 1 : 0;
    this.layouts = new Map([...found].map(([name, { layout }]) => [name, layout]));
    const variables: Record<string, tf.Variable> = {};
    for (const [name, { constant, layout, layer }] of found) {
      const { shape, data } = transposed({ shape: layout.shape, data: constant.data }, layout.order);
      const given = options.weights ? options.weights.get(name)?.data : data;
      if (given?.length !== data.length) {
        disposeVariables(variables);
        throw new CaptionerError('mismatch', `The saved encoder has no '${name}' of ${data.length} numbers.`);
      }
      variables[name] = createVariable(given, shape, layer >= first, name);
    }
    this.variables = variables;
  }

  /** Pooled features [N, D] of normalised photos [N, 3, S, S]. */
  features(photos: tf.Tensor4D): tf.Tensor2D {
    const values = new Map<string, Value>([[this.values.input, photos]]);
    for (const { node, operator } of this.steps) {
      const inputs = node.inputs.map((name) => values.get(name) ?? this.constant(name));
      try {
        values.set(node.output, operator.run(inputs as Value[], node));
      } catch (error) {
        if (error instanceof CaptionerError) throw error;
        throw node.refusal(`fails (${(error as Error).message})`);
      }
    }
    return tf.reshape(values.get(this.values.features) as tf.Tensor, [-1, this.dimension]);
  }

  /** Frees the variables. */
  dispose(): void {
    disposeVariables(this.variables);
  }

  private constant(name: string): Value | undefined {
    const constant = this.constants.get(name);
    if (constant) return tf.tensor(constant.data, [...constant.shape]);
    return this.integers.get(name) ?? this.variables[name];
  }

  /**
   * Finds the weights and the layer of each, counted from 1. Other constants are kept unchanged.
   */
  private readConstants(graph: GraphReader) {
    const found = new Map<string, { constant: Constant; layout: Layout; layer: number }>();
    let layer = 0;
    for (const { node, operator } of this.steps) {
      const constants = node.inputs.map((name) => (name === '' ? undefined : floatConstant(graph, name)));
      const layouts =
        operator.weights?.(
          node,
          constants.map((constant) => constant?.shape),
        ) ?? [];
      if (operator.layer && layouts.some(Boolean)) layer++;
      for (const [i, name] of node.inputs.entries()) {
        const [constant, layout] = [constants[i], layouts[i]];
        const integers = graph.integers(name);
        if (integers) this.integers.set(name, integers);
        if (!constant) continue;
        const former = found.get(name)?.layout;
        if (former && layout?.order.join() !== former.order.join()) {
          throw node.refusal('shares a weight with a node that needs it in another order');
        }
        if (layout && !former) found.set(name, { constant, layout, layer: Math.max(1, layer) });
        else if (!layout) this.constants.set(name, constant);
      }
    }
    return found;
  }
}

/** The nodes whose results depend on the photo, in order. */
function stepsOf(graph: Graph, values: GraphReader, file: string): Step[] {
  return (graph.node ?? [])
    .filter((node) => (node.output ?? []).some((name) => !isRead(values, name)))
    .map((node) => {
      const step = new OnnxNode(node, file);
      if (!Object.hasOwn(operators, node.opType) || (node.domain && node.domain !== 'ai.onnx')) {
        throw step.refusal(`is an unsupported operator (supported: ${Object.keys(operators).join(', ')})`);
      }
      return { node: step, operator: operators[node.opType] };
    });
}

/** Whether a value is read as a constant. */
function isRead(graph: GraphReader, value: string): boolean {
  return graph.integers(value) !== undefined || (graph.isConstant(value) && floatConstant(graph, value) !== undefined);
}
