import type { TensorInfo, Variable } from '@tensorflow/tfjs-core';
import type { KernelInputs, OnnxBackend } from './backend.js';
import type { Attributes, KernelRule, Operands } from './kernels/rule.js';
import { reshape } from './kernels/shape.js';
import { GraphBuilder, isDtype, onnxType, type Dimensions, type Dtype, type Operand } from './onnx/graph.js';
import { CaptionerError } from '../errors.js';

type DataId = TensorInfo['dataId'];

/**
 * Writes down as one ONNX graph what a step does while it runs. A tensor is known by its data: what comes from the step's inputs
 * or from variables is traced, everything else is a constant.
 */
export class Recorder {
  readonly graph = new GraphBuilder();
  /** Variables that the step reads, and the graph's inputs for them. */
  readonly read = new Map<Variable, string>();
  private readonly traced = new Map<DataId, Operand>();
  private readonly variables = new Map<DataId, Variable>();
  private readonly adapted = new Map<string, string>();
  private readonly constants = new Map<DataId, string>();

  constructor(
    private readonly backend: OnnxBackend,
    variables: Iterable<Variable>,
    private readonly nameOf: (variable: Variable) => string,
  ) {
    for (const variable of variables) this.variables.set(variable.dataId, variable);
  }

  /** Declares an input of the step. */
  input(name: string, info: TensorInfo, dims: Dimensions = info.shape): void {
    this.graph.input(name, info.dtype as Dtype, dims);
    this.define(name, info);
  }

  /** Appends a kernel that has just run, unless all of its inputs are constants. */
  record(
    name: string,
    rule: KernelRule | undefined,
    inputs: KernelInputs,
    attributes: Attributes,
    outputs: TensorInfo[],
  ): void {
    const given = Object.entries(inputs).filter(([, info]) => info);
    if (!given.some(([, info]) => this.isTraced(info.dataId))) return;
    // Kernels such as Reshape hand on the data of their input.
    if (outputs.every(({ dataId }) => this.isTraced(dataId))) return;
    if (!rule) {
      throw new CaptionerError(
        'unsupported',
        `The operation ${name} can't be compiled: the 'onnx' backend has no rule for it. Run this part outside of the compiled step.`,
      );
    }
    this.graph.origin = name;
    const operands: Operands = Object.fromEntries(given.map(([key, info]) => [key, this.operand(info)]));
    let names: string | string[];
    try {
      names = rule.emit(this.graph, operands, attributes);
    } catch (error) {
      throw new CaptionerError('unsupported', `The operation ${name} can't be compiled: ${(error as Error).message}.`);
    }
    [names].flat().forEach((value, i) => {
      this.define(value, outputs[i]);
    });
  }

  /** The graph's value for a tensor: traced, or a constant. */
  operand(info: TensorInfo): Operand {
    const { dataId, shape, dtype } = info;
    if (!isDtype(dtype)) throw new CaptionerError('unsupported', `A compiled step can't use tensors of type ${dtype}.`);
    this.readVariable(dataId);
    const known = this.traced.get(dataId);
    const name = known ? this.adapt(known, shape, dtype) : this.constant(info, dtype);
    return { name, shape, dtype };
  }

  /** A name for an output of the graph: one that some node produces and that no other output has. */
  output(info: TensorInfo, dims: Dimensions = info.shape): string {
    const { name } = this.operand(info);
    const taken = [...this.graph.inputs, ...this.graph.outputs].some((value) => value.name === name);
    const output = taken || this.graph.constants.has(name) ? this.graph.node('Identity', [name]) : name;
    this.graph.output(output, info.dtype as Dtype, dims);
    return output;
  }

  /** @throws CaptionerError `impure-step` when the step looks at the value of a traced tensor: the graph would keep that value. */
  refuseReading(dataId: DataId): void {
    if (!this.isTraced(dataId)) return;
    throw new CaptionerError(
      'impure-step',
      'The compiled step reads the value of a tensor (dataSync, arraySync or the like) that depends on its inputs; the graph can ' +
        'only hold tensor operations. Return the tensor from the step and read it there.',
    );
  }

  private isTraced(dataId: DataId): boolean {
    return this.traced.has(dataId) || this.variables.has(dataId);
  }

  private readVariable(dataId: DataId): void {
    const variable = this.variables.get(dataId);
    if (!variable || this.traced.has(dataId)) return;
    const name = this.nameOf(variable);
    this.read.set(variable, name);
    this.input(name, variable);
  }

  private define(name: string, { dataId, shape, dtype }: TensorInfo): void {
    this.traced.set(dataId, { name, shape, dtype: dtype as Dtype });
    this.graph.shapes.set(name, shape);
  }

  /** TensorFlow.js reshapes, and casts to a wider type, without touching the data: here that takes a node. */
  private adapt({ name, shape, dtype }: Operand, newShape: readonly number[], newDtype: Dtype): string {
    const sameShape = shape.join() === newShape.join();
    if (sameShape && dtype === newDtype) return name;
    const key = `${name}|${newDtype}|${newShape.join()}`;
    let adapted = this.adapted.get(key);
    if (adapted === undefined) {
      adapted = dtype === newDtype ? name : this.graph.cast(name, onnxType(newDtype));
      if (!sameShape) adapted = reshape(this.graph, adapted, shape, newShape);
      this.graph.shapes.set(adapted, newShape);
      this.adapted.set(key, adapted);
    }
    return adapted;
  }

  private constant(info: TensorInfo, dtype: Dtype): string {
    const known = this.constants.get(info.dataId);
    const sized = { name: known ?? '', shape: this.graph.shapes.get(known ?? '') ?? [], dtype };
    if (known !== undefined && sized.shape.join() === info.shape.join()) return known;
    const name = this.graph.constant(onnxType(dtype), info.shape, this.backend.valuesOf(info));
    this.constants.set(info.dataId, name);
    this.graph.shapes.set(name, info.shape);
    return name;
  }
}
