import {
  AttributeType,
  DataType,
  type Attribute,
  type Graph,
  type Model,
  type Node,
  type Tensor,
} from '../protobuf.js';
import { removeUnread } from '../products.js';
import { bytesOf, type Numbers } from '../graph-builder.js';
import { raiseOpset } from './opset.js';
import type { QuantizationPlan, Step, WeightedStep } from './plan.js';
import { roundingOf, roundWeights, type Rounding, type Weights } from './rounding.js';
import type { RangeChoice, ValueStatistics } from './statistics.js';

/** ONNX Runtime's own operators (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md). */
const contrib = 'com.microsoft';

/** The photos that a network takes: (x / 255 - mean) / std for red, green and blue. */
export interface Pixels {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Width and height. */
  readonly inputSize: number;
}

/**
 * Rewrites a network of normalised photos [N, 3, S, S] in 8-bit integers (static quantisation after training: Jacob et al. 2018,
 * https://arxiv.org/abs/1712.05877). Its input becomes the photos' bytes [N, S, S, 3]; the normalisation becomes part of the first
 * convolution. Its outputs stay the same, in floats.
 *
 * The first convolution's padding is the same byte for all colours, so values at the border may differ by a few steps more.
 *
 * @param model a network after `foldAffine`; changed in place.
 * @param plan its plan.
 * @param statistics of each of the plan's rounded values.
 * @param choice of their ranges.
 */
export function quantizeNetwork(
  model: Model,
  plan: QuantizationPlan,
  statistics: ReadonlyMap<string, ValueStatistics>,
  pixels: Pixels,
  choice: RangeChoice = 'least-error',
): void {
  const { graph } = model;
  const writer = new NetworkWriter(graph, statistics, pixels, choice);
  for (const step of plan.steps) writer.write(step);
  for (const { name } of graph.output ?? []) writer.float(name);
  raiseOpset(
    model,
    plan.steps.flatMap((step) => (step.kind === 'float' ? [step.node] : [])),
  );
  model.opsetImport = [
    ...(model.opsetImport ?? []).filter(({ domain }) => domain !== contrib),
    { domain: contrib, version: 1 },
  ];
  graph.node = writer.nodes;
  graph.initializer = [...(graph.initializer ?? []), ...writer.initializers.values()];
  delete graph.valueInfo; // shapes and types of values that may be gone
  removeUnread(graph);
}

const inBytes = (value: string) => `${value}/8bit`;

/** The normalised photo, for nodes in floats. */
const normalised = 'photo/normalised';

class NetworkWriter {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Tensor>();
  /** The rounding of each value that exists in 8 bits. */
  private readonly bytes = new Map<string, Rounding>();
  /** Values that exist in floats. */
  private readonly floats: Set<string>;
  private readonly photo: string;

  constructor(
    graph: Graph,
    private readonly statistics: ReadonlyMap<string, ValueStatistics>,
    private readonly pixels: Pixels,
    private readonly choice: RangeChoice,
  ) {
    const [input] = graph.input!;
    this.photo = input.name;
    this.floats = new Set(graph.initializer?.map(({ name }) => name ?? ''));
    const dim = [{ dimParam: 'N' }, ...[pixels.inputSize, pixels.inputSize, 3].map((dimValue) => ({ dimValue }))];
    input.type = { tensorType: { elemType: DataType.uint8, shape: { dim } } };
    const order = { name: 'perm', type: AttributeType.ints, ints: [0, 3, 1, 2] };
    this.node('Transpose', [this.photo], inBytes(this.photo), [order]); // [N, 3, S, S]
  }

  write(step: Step): void {
    switch (step.kind) {
      case 'convolution':
        this.convolution(step);
        break;
      case 'product':
        this.product(step);
        break;
      case 'sum': {
        const terms = step.terms.flatMap((term) => this.operand(term));
        this.node('QLinearAdd', [...terms, ...this.result(step.output)], inBytes(step.output), [], contrib);
        break;
      }
      case 'pool':
        this.node('MaxPool', [inBytes(step.x)], inBytes(step.output), step.node.attribute);
        this.bytes.set(step.output, this.bytes.get(step.x)!);
        break;
      case 'float':
        for (const input of step.node.input ?? []) this.float(input);
        this.nodes.push({
          ...step.node,
          input: step.node.input?.map((name) => (name === this.photo ? normalised : name)),
        });
        for (const output of step.node.output ?? []) this.floats.add(output);
    }
  }

  /** Makes sure that a value exists in floats. */
  float(value: string): void {
    if (this.floats.has(value)) return;
    if (value === this.photo) this.normalise();
    else if (this.bytes.has(value)) this.node('DequantizeLinear', this.operand(value), value);
    else return; // not a value of this graph
    this.floats.add(value);
  }

  private normalise(): void {
    const { mean, std } = this.pixels;
    const at = (part: string) => `${normalised}/${part}`;
    const perColour = (part: string, values: number[]) =>
      this.store(at(part), DataType.float, [1, 3, 1, 1], Float32Array.from(values));
    const factor = perColour(
      'factor',
      std.map((s) => 1 / (255 * s)),
    );
    const offset = perColour(
      'offset',
      std.map((s, c) => -mean[c] / s),
    );
    this.node('Cast', [inBytes(this.photo)], at('float'), [{ name: 'to', type: AttributeType.int, i: DataType.float }]);
    this.node('Mul', [at('float'), factor], at('scaled'));
    this.node('Add', [at('scaled'), offset], normalised);
  }

  private convolution({ node, x, weight, bias, output }: WeightedStep): void {
    const [O, I, h, w] = weight.shape;
    const groups = Number(node.attribute?.find(({ name }) => name === 'group')?.i ?? 1);
    const outputOf = (i: number) => Math.floor(i / (I * h * w));
    const channelOf = (i: number) => (Math.floor(i / (h * w)) % I) + I * Math.floor((outputOf(i) * groups) / O);
    const given = bias?.data ?? new Float32Array(O);
    const { means } = this.statistics.get(x) ?? { means: new Float64Array(I * groups) };
    const weights = { data: weight.data, bias: given, outputOf, meanOf: (i: number) => means[channelOf(i)] };
    const onBytes = x === this.photo ? this.onBytes(weights, channelOf) : undefined;
    const operand = onBytes ? this.photoOperand(onBytes.zero) : this.operand(x);
    const stored = this.weights(output, weight.shape, onBytes ?? { ...weights, scaleOfX: this.bytes.get(x)!.scale });
    const { weight: W, scales, zeros, bias: B } = stored;
    this.node(
      'QLinearConv',
      [...operand, W, scales, zeros, ...this.result(output), B],
      inBytes(output),
      node.attribute,
    );
  }

  /** Weights for normalised photos as weights for bytes: (p / 255 - mean) / std = (p - 255 mean) / (255 std). */
  private onBytes(weights: Omit<Weights, 'scaleOfX'>, channelOf: (i: number) => number): Weights & { zero: number } {
    const { mean, std } = this.pixels;
    // The byte of the padding, where normalised photos have 0.
    const zero = Math.min(255, Math.max(0, Math.round((255 * (mean[0] + mean[1] + mean[2])) / 3)));
    const data = weights.data.map((x, i) => x / (255 * std[channelOf(i)]));
    const bias = Float64Array.from(weights.bias);
    data.forEach((x, i) => (bias[weights.outputOf(i)] += x * (zero - 255 * mean[channelOf(i)])));
    const meanOf = (i: number) => 255 * (mean[channelOf(i)] + std[channelOf(i)] * weights.meanOf(i)) - zero;
    return { data, bias, outputOf: weights.outputOf, meanOf, scaleOfX: 1, zero };
  }

  private photoOperand(zero: number): [string, string, string] {
    return [inBytes(this.photo), this.scale(this.photo, 1), this.zero(this.photo, zero)];
  }

  /** x W + b with x in 8 bits: floats. */
  private product({ node, x, weight, bias, output }: WeightedStep): void {
    const transposed = Number(node.attribute?.find(({ name }) => name === 'transB')?.i ?? 0);
    const [inputs, outputs] = transposed ? [weight.shape[1], weight.shape[0]] : weight.shape;
    const [outputOf, inputOf] = transposed
      ? [(i: number) => Math.floor(i / inputs), (i: number) => i % inputs]
      : [(i: number) => i % outputs, (i: number) => Math.floor(i / outputs)];
    const operand = this.operand(x);
    const { means } = this.statistics.get(x)!;
    const stored = this.weights(output, weight.shape, {
      data: weight.data,
      bias: bias?.data.length === outputs ? bias.data : new Float32Array(outputs).fill(bias?.data[0] ?? 0),
      outputOf,
      meanOf: (i) => means[inputOf(i)],
      scaleOfX: this.bytes.get(x)!.scale,
    });
    const attributes = [{ name: 'transB', type: AttributeType.int, i: transposed }];
    const { weight: W, scales, zeros, bias: B } = stored;
    this.node('QGemm', [...operand, W, scales, zeros, B], output, attributes, contrib);
    this.floats.add(output);
  }

  private weights(output: string, shape: readonly number[], weights: Weights) {
    const { values, scales, bias } = roundWeights(weights);
    const at = (part: string) => `${inBytes(output)}/${part}`;
    return {
      weight: this.store(at('weight'), DataType.int8, shape, values),
      scales: this.store(at('weight/scale'), DataType.float, [scales.length], scales),
      zeros: this.store(at('weight/zero'), DataType.int8, [scales.length], new Int8Array(scales.length)),
      bias: this.store(at('bias'), DataType.int32, [scales.length], bias),
    };
  }

  /** A value in 8 bits: its bytes, scale and zero point. */
  private operand(value: string): [string, string, string] {
    if (!this.bytes.has(value)) {
      this.float(value);
      this.node('QuantizeLinear', [value, ...this.result(value)], inBytes(value));
    }
    const { scale, zero } = this.bytes.get(value)!;
    return [inBytes(value), this.scale(value, scale), this.zero(value, zero)];
  }

  /** Scale and zero point of a value that a step gives in 8 bits. */
  private result(value: string): [string, string] {
    const rounding = roundingOf(this.statistics.get(value)!.ranges[this.choice]);
    this.bytes.set(value, rounding);
    return [this.scale(value, rounding.scale), this.zero(value, rounding.zero)];
  }

  private scale(value: string, scale: number): string {
    return this.store(`${inBytes(value)}/scale`, DataType.float, [], Float32Array.of(scale));
  }

  private zero(value: string, zero: number): string {
    return this.store(`${inBytes(value)}/zero`, DataType.uint8, [], Uint8Array.of(zero));
  }

  private store(name: string, dataType: number, dims: readonly number[], data: Numbers): string {
    this.initializers.set(name, { name, dims: [...dims], dataType, rawData: bytesOf(data) });
    return name;
  }

  private node(opType: string, input: string[], output: string, attribute: Attribute[] = [], domain = ''): void {
    this.nodes.push({ name: `${output}/${opType}`, opType, domain, input, output: [output], attribute });
  }
}
