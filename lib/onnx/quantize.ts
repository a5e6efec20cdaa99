import { quantizeColumns } from '../files/int8.js';
import { bytesOf } from './graph-builder.js';
import { boundedValues, floatsOf, productOf, removeUnread, weightsOf, type Product } from './products.js';
import { AttributeType, DataType, numbers, type Model, type Node, type Tensor } from './protobuf.js';

/**
 * Rewrites a graph's products with constant matrices in 8-bit integers (dynamic quantisation after
 * training: Jacob et al. 2018, https://arxiv.org/abs/1712.05877), which are several times as fast
 * as products of floats:
 *
 * x W + b ≈ s_m t_n Σ_k q_mk p_kn + b_n, q_mk = round(x_mk / s_m), p_kn = round(w_kn / t_n)
 *
 * Each row of x has its own scale s_m = max_k |x_mk| / 127, so that its result does not depend on
 * the other rows; each column of W has a scale t_n. If x lies within [-1, 1], as an LSTM's output
 * does, s_m is 1 / 127. Only Gemm nodes of a value and a weight change.
 *
 * @param model model with its weights; changed in place. Inputs and outputs stay the same.
 * @param boundedInputs inputs within [-1, 1].
 */
export function quantizeProducts(model: Model, boundedInputs?: ReadonlySet<string>): void {
  const { graph } = model;
  const weights = weightsOf(graph);
  const bounded = boundedValues(graph, boundedInputs);
  const quantized = new Map<string, Tensor>();
  graph.node = graph.node!.flatMap((node) => {
    const product = productOf(node, weights);
    if (!product) return [node];
    for (const tensor of quantizedColumns(product.weight)) quantized.set(tensor.name!, tensor);
    return bounded.has(product.x) ? boundedProduct(product) : scaledProduct(product);
  });
  graph.initializer = [...(graph.initializer ?? []), ...quantized.values(), ...constants];
  removeUnread(graph);
  model.opsetImport = [...(model.opsetImport ?? []), { domain: contrib, version: 1 }];
}

/** ONNX Runtime's own operators (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md). */
const contrib = 'com.microsoft';

/** The code of 0 in the unsigned 8 bits of the left operand. */
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
  float('8bit/least', [1e-30]), // avoids a scale of 0 for a row of zeros
  float('8bit/128', [zeroPoint]),
  float('8bit/one', [1]),
];

const nodeOf = (opType: string, input: string[], output: string, attribute: Node['attribute'] = []): Node => ({
  opType,
  input,
  output: [output],
  attribute,
});

/** Names of intermediate values of a product. */
const onTheWayTo = (output: string) => (name: string) => `${output}/8bit/${name}`;

/** x W + b for x within [-1, 1]: [M, N]. */
function boundedProduct({ x, weight, bias, output }: Product): Node[] {
  const bytes = onTheWayTo(output)('bytes');
  return [
    nodeOf('QuantizeLinear', [x, '8bit/127', '8bit/zero'], bytes),
    integerProduct(bytes, '8bit/127', weight, output, bias),
  ];
}

/** x W + b with a scale per row of x: [M, N]. */
function scaledProduct({ x, weight, bias, output }: Product): Node[] {
  const at = onTheWayTo(output);
  const keep = [{ name: 'keepdims', type: AttributeType.int, i: 1 }];
  const toByte = [{ name: 'to', type: AttributeType.int, i: DataType.uint8 }];
  const scaled = bias ? at('product') : output;
  return [
    nodeOf('Abs', [x], at('abs')),
    nodeOf('ReduceMax', [at('abs'), '8bit/axis'], at('max'), keep),
    nodeOf('Mul', [at('max'), '8bit/127'], at('scale-or-0')),
    nodeOf('Max', [at('scale-or-0'), '8bit/least'], at('scale')),
    nodeOf('Div', [x, at('scale')], at('divided')),
    nodeOf('Round', [at('divided')], at('rounded')),
    nodeOf('Add', [at('rounded'), '8bit/128'], at('shifted')),
    nodeOf('Cast', [at('shifted')], at('bytes'), toByte),
    integerProduct(at('bytes'), '8bit/one', weight, at('sums')),
    nodeOf('Mul', [at('sums'), at('scale')], scaled),
    ...(bias ? [nodeOf('Add', [scaled, bias.name!], output)] : []),
  ];
}

/** The product of bytes (zero point 128) and a quantised weight, in floats. */
function integerProduct(bytes: string, scale: string, { name }: Tensor, output: string, bias?: Tensor): Node {
  const inputs = [bytes, `${name}/8bit`, scale, `${name}/scale`, '8bit/zero', ...(bias ? ['', bias.name!] : [])];
  return { ...nodeOf('MatMulIntegerToFloat', inputs, output), domain: contrib };
}

/** A matrix [R, C] of floats as integers from -127 to 127, and the scale of each column [C]. */
function quantizedColumns(matrix: Tensor): Tensor[] {
  const { name, dims } = matrix;
  const [R, C] = numbers(dims);
  const { bytes, scales } = quantizeColumns(floatsOf(matrix), C);
  return [
    { name: `${name}/8bit`, dims: [R, C], dataType: DataType.int8, rawData: new Uint8Array(bytes.buffer) },
    float(`${name}/scale`, [...scales], [C]),
  ];
}
