import { readFileSync } from 'node:fs';
import { bytesOf } from './graph.js';
import { AttributeType, DataType, decodeModel, encodeModel, numbers, type Node, type Tensor } from './proto.js';

/**
 * Lets a graph multiply by its constant matrices in 8 bits (dynamic quantisation after training: Jacob et al. 2018,
 * https://arxiv.org/abs/1712.05877): products of integers, which processors do several times as fast as of floats.
 *
 *     x W + b  ≈  s_m t_n Σ_k q_mk p_kn + b_n,    q_mk = round(x_mk / s_m),    p_kn = round(w_kn / t_n)
 *
 * where each row of x has a scale s_m = max_k |x_mk| / 127 of its own, so that a row's result does not depend on the others, and each column
 * of W a scale t_n. Everything that isn't a Gemm of a value and a weight stays as it is.
 *
 * @param model an ONNX file with its weights in it.
 * @returns the file of the quantised network: the same inputs and outputs.
 */
export function quantizeProducts(model: Uint8Array): Uint8Array {
  const decoded = decodeModel(model);
  const { graph } = decoded;
  const weights = new Map((graph.initializer ?? []).map((tensor) => [tensor.name ?? '', tensor]));
  const lookups = new Map((graph.node ?? []).filter(isLookup).map((node) => [node.output![0], node]));
  const quantized = new Map<string, Tensor>();
  const add = (tensors: readonly Tensor[]) => {
    for (const tensor of tensors) quantized.set(tensor.name!, tensor);
  };
  const nodes = (graph.node ?? []).flatMap((node) => {
    const [x, weight, bias] = node.input ?? [];
    const matrix = weights.get(weight);
    if (node.opType !== 'Gemm' || node.attribute?.length || weights.has(x) || !matrix?.rawData) return [node];
    add(quantizedBy('column', matrix));
    const output = node.output![0];
    const lookup = lookups.get(x);
    const table = weights.get(lookup?.input![0] ?? '');
    if (!lookup || !table?.rawData) return [...quantizedValues(x, output), ...product(weight, bias, output)];
    add(quantizedBy('row', table));
    return [...lookedUp(lookup, output), ...product(weight, bias, output)];
  });
  const read = (among: readonly Node[]) => new Set(among.flatMap(({ input }) => input ?? []));
  const results = new Set([...read(nodes), ...(graph.output ?? []).map(({ name }) => name)]);
  graph.node = nodes.filter((node) => !isLookup(node) || results.has(node.output![0]));
  const used = read(graph.node);
  const all = [...(graph.initializer ?? []), ...quantized.values(), ...constants];
  graph.initializer = all.filter(({ name }) => used.has(name ?? ''));
  decoded.opsetImport = [...(decoded.opsetImport ?? []), { domain: contrib, version: 1 }];
  return encodeModel(decoded);
}

/**
 * Options (`extra.session`) of a session that runs a quantised graph. Processors of Intel and AMD without the VNNI instructions add up 8-bit products in 16
 * bits, which can overflow; there, and where it isn't known, this asks ONNX Runtime for a slower way that can't.
 */
export const exactSums = () => (process.arch === 'x64' && !hasVnni() ? { x64quantprecision: '1' } : {});

function hasVnni(): boolean {
  try {
    return /\bavx(512)?_vnni\b/.test(readFileSync('/proc/cpuinfo', 'latin1'));
  } catch {
    return false;
  }
}

/** ONNX Runtime's own operators (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md). */
const contrib = 'com.microsoft';

/** What stands for 0 in the 8 bits without sign that the left operand has. */
const zeroPoint = 128;

const float = (name: string, values: readonly number[], dims: readonly number[] = []): Tensor => ({
  name,
  dims: [...dims],
  dataType: DataType.float,
  rawData: bytesOf(Float32Array.from(values)),
});
const constants: readonly Tensor[] = [
  { name: '8bit/axis', dims: [1], dataType: DataType.int64, rawData: bytesOf(BigInt64Array.of(1n)) },
  { name: '8bit/zero', dims: [], dataType: DataType.uint8, rawData: Uint8Array.of(zeroPoint) },
  float('8bit/127', [1 / 127]),
  float('8bit/least', [1e-30]), // a row of zeros has a scale, too
  float('8bit/128', [zeroPoint]),
  float('8bit/one', [1]),
];

const nodeOf = (opType: string, input: string[], output: string, attribute: Node['attribute'] = []): Node => ({
  opType,
  input,
  output: [output],
  attribute,
});

/** Names of values on the way to a product. */
const onTheWayTo = (output: string) => (name: string) => `${output}/8bit/${name}`;

/** x as bytes [M, K], and the scale of each row [M, 1]. */
function quantizedValues(x: string, output: string): Node[] {
  const at = onTheWayTo(output);
  const keep = [{ name: 'keepdims', type: AttributeType.int, i: 1 }];
  const toByte = [{ name: 'to', type: AttributeType.int, i: DataType.uint8 }];
  return [
    nodeOf('Abs', [x], at('abs')),
    nodeOf('ReduceMax', [at('abs'), '8bit/axis'], at('max'), keep),
    nodeOf('Mul', [at('max'), '8bit/127'], at('scale-or-0')),
    nodeOf('Max', [at('scale-or-0'), '8bit/least'], at('scale')),
    nodeOf('Div', [x, at('scale')], at('divided')),
    nodeOf('Round', [at('divided')], at('rounded')),
    nodeOf('Add', [at('rounded'), '8bit/128'], at('shifted')),
    nodeOf('Cast', [at('shifted')], at('bytes'), toByte),
  ];
}

/** Whether a node takes rows of a table. */
const isLookup = ({ opType, attribute = [] }: Node): boolean =>
  opType === 'Gather' && attribute.every(({ name, i }) => name !== 'axis' || Number(i ?? 0) === 0);

/** What {@link quantizedValues} gives, where x are rows of a table that is quantised already. */
function lookedUp({ input }: Node, output: string): Node[] {
  const at = onTheWayTo(output);
  const [table, places] = input!;
  return [
    nodeOf('Gather', [`${table}/8bit`, places], at('bytes')),
    nodeOf('Gather', [`${table}/scale`, places], at('scale')),
  ];
}

/** x W + b from bytes and scales: [M, N]. */
function product(weight: string, bias: string | undefined, output: string): Node[] {
  const at = onTheWayTo(output);
  const inputs = [at('bytes'), `${weight}/8bit`, '8bit/one', `${weight}/scale`, '8bit/zero'];
  const scaled = bias ? at('product') : output;
  return [
    { ...nodeOf('MatMulIntegerToFloat', inputs, at('sums')), domain: contrib },
    nodeOf('Mul', [at('sums'), at('scale')], scaled),
    ...(bias ? [nodeOf('Add', [scaled, bias], output)] : []),
  ];
}

/**
 * A matrix [R, C] of floats as 8-bit whole numbers from -127 to 127, and the scale of each row [R, 1] or column [C]. Those of rows are what
 * {@link quantizedValues} gives: without sign, with 128 for 0.
 */
function quantizedBy(part: 'row' | 'column', { name, dims, rawData }: Tensor): Tensor[] {
  const [R, C] = numbers(dims);
  const byRow = part === 'row';
  const values = new Float32Array(new Uint8Array(rawData!).buffer);
  const scales = new Float32Array(byRow ? R : C).fill(127e-30); // one of zeros has a scale, too
  for (let r = 0, i = 0; r < R; r++) {
    for (let c = 0; c < C; c++, i++) {
      const [at, magnitude] = [byRow ? r : c, Math.abs(values[i])];
      if (magnitude > scales[at]) scales[at] = magnitude;
    }
  }
  scales.forEach((greatest, at) => (scales[at] = greatest / 127));
  const bytes = byRow ? new Uint8Array(values.length) : new Int8Array(values.length);
  const zero = byRow ? zeroPoint : 0;
  for (let r = 0, i = 0; r < R; r++) {
    for (let c = 0; c < C; c++, i++) bytes[i] = Math.round(values[i] / scales[byRow ? r : c]) + zero;
  }
  const dataType = byRow ? DataType.uint8 : DataType.int8;
  return [
    { name: `${name}/8bit`, dims: [R, C], dataType, rawData: new Uint8Array(bytes.buffer) },
    float(`${name}/scale`, [...scales], byRow ? [R, 1] : [C]),
  ];
}
