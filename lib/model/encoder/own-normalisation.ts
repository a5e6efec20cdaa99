import { floatConstant } from '../../onnx/constants.js';
import { GraphReader } from '../../onnx/graph-reader.js';
import type { Graph, Node } from '../../onnx/protobuf.js';

/** The normalisation that a network begins with. */
export interface OwnNormalisation {
  /** Its operators. */
  readonly operators: readonly string[];
  /** Maximum of the pixel values that it expects. */
  readonly range: 1 | 255;
}

/** A function of a pixel value, scale * x + offset. */
interface Affine {
  readonly scale: number;
  readonly offset: number;
}

/** Operators that keep the values of pixels. */
const neutral = new Set(['Transpose', 'Cast', 'Identity', 'Pad']);

/**
 * Finds the arithmetic with constants, or the batch normalisation, with which a network turns pixel
 * values into values around zero. The pixel value that becomes zero reveals the range: it is about half the
 * maximum. Networks of normalised photos may begin with such nodes too; for them it is about zero.
 */
export function ownNormalisation(graph: Graph, input: string): OwnNormalisation | undefined {
  const reader = new GraphReader(graph);
  const operators: string[] = [];
  let total: Affine = { scale: 1, offset: 0 };
  for (let value = input; ;) {
    const [node, ...others] = reader.consumers(value);
    if (node === undefined || others.length > 0) break;
    if (!neutral.has(node.opType)) {
      const step = affine(reader, node, value);
      if (!step) break;
      operators.push(node.opType);
      total = { scale: step.scale * total.scale, offset: step.scale * total.offset + step.offset };
    }
    value = node.output![0];
  }
  const range = expectedRange(total);
  return range && { operators, range };
}

function expectedRange({ scale, offset }: Affine): OwnNormalisation['range'] | undefined {
  const zero = -offset / scale;
  if (zero > 0.2 && zero < 0.8) return 1;
  // Without an offset, a scale of 1 / 255 or 2 / 255 is meant for bytes.
  if ((zero > 0.2 * 255 && zero < 0.8 * 255) || (zero === 0 && Math.abs(scale) < 0.02)) return 255;
  return undefined;
}

/** A node as a function of the pixel value `input`, the mean over the colours. */
function affine(graph: GraphReader, node: Node, input: string): Affine | undefined {
  const constant = (name = '') => mean(floatConstant(graph, name)?.data);
  if (node.opType === 'BatchNormalization') {
    const [gamma, beta, average, variance] = (node.input ?? []).slice(1, 5).map(constant);
    if (gamma === undefined || beta === undefined || average === undefined || variance === undefined) return undefined;
    const scale = gamma / Math.sqrt(variance);
    return { scale, offset: beta - scale * average };
  }
  const [first, second] = node.input ?? [];
  const number = constant(first === input ? second : first);
  if (number === undefined) return undefined;
  switch (node.opType) {
    case 'Add':
      return { scale: 1, offset: number };
    case 'Sub':
      return first === input ? { scale: 1, offset: -number } : { scale: -1, offset: number };
    case 'Mul':
      return { scale: number, offset: 0 };
    case 'Div':
      return first === input ? { scale: 1 / number, offset: 0 } : undefined;
  }
  return undefined;
}

function mean(values: Float32Array | undefined): number | undefined {
  return values?.length ? values.reduce((sum, value) => sum + value, 0) / values.length : undefined;
}
