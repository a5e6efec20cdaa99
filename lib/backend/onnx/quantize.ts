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
  const quantized = new Set<string>();
  const nodes = (graph.node ?? []).flatMap((node) => {
    const [x, weight, bias] = node.input ?? [];
    const matrix = weights.get(weight);
    if (node.opType !== 'Gemm' || node.attribute?.length || weights.has(x) || !matrix?.rawData) return [node];
    if (!quantized.has(weight)) graph.initializer!.push(...quantizedColumns(matrix));
    quantized.add(weight);
    return quantizedProduct(x, weight, bias, node.output![0]);
  });
  graph.node = nodes;
  const used = new Set(nodes.flatMap(({ input }) => input ?? []));
  graph.initializer = [...(graph.initializer ?? []), ...constants].filter(({ name }) => used.has(name ?? ''));
  decoded.opsetImport = [...(decoded.opsetImport ?? []), { domain: contrib, version: 1 }];
  return encodeModel(decoded);
}

/**
 * Options (`extra.session`) of a session that runs a quantised graph. Processors of Intel and AMD without the VNNI instructions add up 8-bit products in 16
 * bits, which can overflow; there, and where it isn't known, this asks ONNX Runtime for a slower way that can't.
 */
export const exactSums = process.arch === 'x64' && !hasVnni() ? { x64quantprecision: '1' } : {};

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

/** x W + b from 8 bits: x [M, K] -> [M, N]. */
function quantizedProduct(x: string, weight: string, bias: string | undefined, output: string): Node[] {
  const at = (name: string) => `${output}/8bit/${name}`;
  const node = (opType: string, input: string[], result: string, attribute: Node['attribute'] = []): Node => ({
    opType,
    input,
    output: [result],
    attribute,
  });
  const toByte = [{ name: 'to', type: AttributeType.int, i: DataType.uint8 }];
  const product = bias ? at('product') : output;
  return [
    node('Abs', [x], at('abs')),
    node('ReduceMax', [at('abs'), '8bit/axis'], at('max'), [{ name: 'keepdims', type: AttributeType.int, i: 1 }]), // [M, 1]
    node('Mul', [at('max'), '8bit/127'], at('scale-or-0')),
    node('Max', [at('scale-or-0'), '8bit/least'], at('scale')), // [M, 1]
    node('Div', [x, at('scale')], at('divided')),
    node('Round', [at('divided')], at('rounded')),
    node('Add', [at('rounded'), '8bit/128'], at('shifted')),
    node('Cast', [at('shifted')], at('bytes'), toByte), // [M, K]
    {
      ...node(
        'MatMulIntegerToFloat',
        [at('bytes'), `${weight}/8bit`, '8bit/one', `${weight}/scale`, '8bit/zero'],
        at('sums'),
      ),
      domain: contrib,
    },
    node('Mul', [at('sums'), at('scale')], product), // [M, N]
    ...(bias ? [node('Add', [product, bias], output)] : []),
  ];
}

/** A matrix [K, N] of floats as whole numbers from -127 to 127, and the scale of each column. */
function quantizedColumns({ name, dims, rawData }: Tensor): Tensor[] {
  const [K, N] = numbers(dims);
  const values = new Float32Array(new Uint8Array(rawData!).buffer);
  const scales = new Float32Array(N).fill(127e-30); // a column of zeros has a scale, too
  for (let i = 0, n = 0; i < values.length; i++, n = n + 1 < N ? n + 1 : 0) {
    const magnitude = Math.abs(values[i]);
    if (magnitude > scales[n]) scales[n] = magnitude;
  }
  for (let n = 0; n < N; n++) scales[n] /= 127;
  const bytes = new Int8Array(values.length);
  for (let i = 0, n = 0; i < values.length; i++, n = n + 1 < N ? n + 1 : 0)
    bytes[i] = Math.round(values[i] / scales[n]);
  return [
    { name: `${name}/8bit`, dims: [K, N], dataType: DataType.int8, rawData: new Uint8Array(bytes.buffer) },
    float(`${name}/scale`, [...scales], [N]),
  ];
}
