import { engine, type TensorInfo, type Variable } from '@tensorflow/tfjs-core';
import type { EagerSessions } from './eager.js';
import type { KernelInputs, TensorStorage } from './tensor-storage.js';
import { internals } from './engine-internals.js';
import type { Attributes, KernelRule, Operands } from './kernels/rule.js';
import { reshape } from './kernels/shape.js';
import { GraphBuilder, isDtype, onnxType, type Dimensions, type Dtype, type Operand } from '../onnx/graph-builder.js';
import { CaptionerError } from '../errors.js';

type DataId = TensorInfo['dataId'];

/** Kernels whose result does not depend on input values: constants of a trace. */
const constantKernels: ReadonlySet<string> = new Set(['ZerosLike', 'OnesLike']);

/** Kernels that pass on the data of their input. */
const aliasKernels: ReadonlySet<string> = new Set(['Identity', 'Reshape', 'ExpandDims']);

/**
 * Records a step as one ONNX graph. A tensor is identified by its data: whatever comes from the
 * step's inputs or from variables is traced, everything else is a constant.
 */
export class Recorder {
  readonly graph = new GraphBuilder();
  /** Variables that the step reads, with their graph inputs. */
  readonly read = new Map<Variable, string>();
  /** All variables by the data they had before the step, or were created with. */
  readonly variables = new Map<DataId, Variable>();
  private noticing = false;
  private readonly traced = new Map<DataId, Operand>();
  private readonly adapted = new Map<string, string>();
  private readonly constants = new Map<DataId, Operand>();

  constructor(
    private readonly backend: TensorStorage & { readonly eager: Pick<EagerSessions, 'infer'> },
    private readonly nameOf: (variable: Variable) => string,
  ) {
    this.noticeVariables();
  }

  /**
   * Registers new variables: at first all existing ones, later those that the step creates. Keeps
   * their data.
   */
  noticeVariables(): void {
    const registered = Object.values(internals().state.registeredVariables);
    if (this.noticing || registered.length === this.variables.size) return;
    this.noticing = true;
    const known = new Set(this.variables.values());
    for (const variable of registered) {
      if (known.has(variable)) continue;
      if (this.traced.has(variable.dataId)) {
        throw new CaptionerError(
          'unsupported',
          `The compiled step creates the variable ${variable.name} from its inputs. Create it before the step.`,
        );
      }
      // A variable is identified by its data, so it must not share it with other variables or
      // tensors.
      if (this.backend.refCount(variable.dataId) > 1) this.copyData(variable);
      this.variables.set(variable.dataId, variable);
      this.backend.keep(variable.dataId);
    }
    this.noticing = false;
  }

  private copyData(variable: Variable): void {
    const copy = this.backend.makeTensorInfo(variable.shape, variable.dtype, this.backend.valuesOf(variable).slice());
    const tensor = internals().makeTensorFromTensorInfo.call(engine(), copy, this.backend);
    setData(variable, copy.dataId);
    tensor.dispose();
  }

  /** Restores the data of all variables. */
  restoreVariables(): void {
    for (const [dataId, variable] of this.variables) {
      if (variable.dataId !== dataId) setData(variable, dataId);
      this.backend.decRef(dataId);
    }
  }

  /** Declares an input of the step. */
  input(name: string, info: TensorInfo, dims: Dimensions = info.shape): void {
    this.graph.input(name, info.dtype as Dtype, dims);
    this.define(name, info);
  }

  /**
   * Whether a kernel's result depends on the values of the step's inputs and is not only their data
   * in another shape.
   */
  traces(name: string, inputs: KernelInputs): boolean {
    if (aliasKernels.has(name) || constantKernels.has(name)) return false;
    return Object.values(inputs).some((info) => info && this.isTraced(info.dataId));
  }

  /** Records a kernel without computing it. Its outputs have shapes and types, but no values. */
  record(
    name: string,
    rule: KernelRule | undefined,
    inputs: KernelInputs,
    attributes: Attributes,
  ): TensorInfo | TensorInfo[] {
    const refuse = (why: string) =>
      new CaptionerError(
        'unsupported',
        `The operation ${name} can't be compiled: ${why}. Run this part outside of the compiled step.`,
      );
    if (!rule) throw refuse("the 'onnx' backend has no rule for it");
    this.graph.origin = name;
    const given = Object.entries(inputs).filter(([, info]) => info);
    let outputs: TensorInfo[];
    try {
      const operands: Operands = Object.fromEntries(given.map(([key, info]) => [key, this.operand(info)]));
      outputs = this.backend.eager.infer(name, rule, inputs, attributes);
      [rule.emit(this.graph, operands, attributes)].flat().forEach((value, i) => {
        this.define(value, outputs[i]);
      });
    } catch (error) {
      throw error instanceof CaptionerError ? error : refuse((error as Error).message);
    }
    return outputs.length === 1 ? outputs[0] : outputs;
  }

  /** The graph value of a tensor: traced, or a constant. */
  operand(info: TensorInfo): Operand {
    const { dataId, shape, dtype } = info;
    if (!isDtype(dtype))
      throw new CaptionerError('unsupported', `A compiled step does not support tensors of type ${dtype}.`);
    this.readVariable(dataId);
    const known = this.traced.get(dataId) ?? this.constants.get(dataId) ?? this.constant(info, dtype);
    return { name: this.adapt(known, shape, dtype), shape, dtype };
  }

  /** A name for an output of the graph, which some node must produce and no other output may have. */
  output(info: TensorInfo, dims: Dimensions = info.shape): string {
    const { name } = this.operand(info);
    const taken = [...this.graph.inputs, ...this.graph.outputs].some((value) => value.name === name);
    const output = taken || this.graph.constants.has(name) ? this.graph.node('Identity', [name]) : name;
    this.graph.output(output, info.dtype as Dtype, dims);
    return output;
  }

  /**
   * @throws CaptionerError `impure-step` if the step reads the value of a traced tensor, which the
   * graph would freeze.
   */
  refuseReading(dataId: DataId): void {
    if (!this.isTraced(dataId)) return;
    throw new CaptionerError(
      'impure-step',
      'The compiled step reads the value of a tensor (dataSync, arraySync or the like) that depends on its inputs. A graph can ' +
        'only contain tensor operations: return the tensor from the step and read it there.',
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

  /**
   * TensorFlow.js reshapes, and casts to a wider type, without touching the data. The graph needs a
   * node for it.
   */
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

  private constant(info: TensorInfo, dtype: Dtype): Operand {
    const { dataId, shape } = info;
    const constant = { name: this.graph.constant(onnxType(dtype), shape, this.backend.valuesOf(info)), shape, dtype };
    this.constants.set(dataId, constant);
    this.graph.shapes.set(constant.name, shape);
    return constant;
  }
}

/** Releases a variable's data and gives it other data. */
function setData(variable: Variable, dataId: DataId): void {
  engine().disposeTensor(variable);
  (variable as { dataId: DataId }).dataId = dataId;
  internals().incRef(variable, null);
}
