import { numbers, type Node } from '../../onnx/protobuf.js';
import { CaptionerError } from '../../errors.js';

/** A node of an ONNX graph, with access to its attributes by name. */
export class OnnxNode {
  readonly operator: string;
  readonly inputs: readonly string[];
  readonly output: string;

  constructor(
    private readonly node: Node,
    /** The file of the graph, for messages. */
    private readonly file: string,
  ) {
    this.operator = node.opType;
    this.inputs = node.input ?? [];
    this.output = node.output![0];
  }

  has(name: string): boolean {
    return this.attribute(name) !== undefined;
  }

  int(name: string, otherwise: number): number {
    return this.has(name) ? Number(this.attribute(name)!.i ?? 0) : otherwise;
  }

  float(name: string, otherwise: number): number {
    return this.has(name) ? (this.attribute(name)!.f ?? 0) : otherwise;
  }

  ints(name: string): number[] | undefined {
    return this.has(name) ? numbers(this.attribute(name)!.ints) : undefined;
  }

  text(name: string, otherwise: string): string {
    return this.has(name) ? Buffer.from(this.attribute(name)!.s ?? []).toString('utf8') : otherwise;
  }

  /** An `unsupported` error that names the fault of this node and an alternative. */
  refusal(reason: string): CaptionerError {
    const name = this.node.name
      ? `${this.operator} '${this.node.name}'`
      : `${this.operator} that gives '${this.output}'`;
    return new CaptionerError(
      'unsupported',
      `${this.file} can't be trained: the node ${name} ${reason}. Fine-tune another encoder, or train a decoder on the features of this one, which works with any network.`,
    );
  }

  private attribute(name: string) {
    return this.node.attribute?.find((attribute) => attribute.name === name);
  }
}
