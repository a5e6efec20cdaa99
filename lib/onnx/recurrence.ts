import { boundedValues, productNode, productOf, removeUnread, weightsOf, type Product } from './products.js';
import { DataType, type Graph, type Model, type Node, type Tensor } from './protobuf.js';
import { quantizeProducts } from './quantize.js';

/**
 * The graphs of a recurrent network, with weights: `start` computes the initial state `s`, and
 * `step` turns it into `next/s`.
 */
export interface Recurrence {
  readonly start: Model;
  readonly step: Model;
}

/** The name of a state after a step. */
export const nextOf = (state: string): string => `next/${state}`;

/** Maximum size of a table of products, in bytes. */
const largestTable = 64 * 2 ** 20;

/**
 * Quantises a recurrent network ({@link quantizeProducts}), after two changes that make a step
 * cheaper and leave its result the same:
 *
 * - If x is a row of a table (a row of embeddings), x W + b is a row of the table's product, which
 * ONNX Runtime computes once on loading.
 * - If a state lies within [-1, 1] except at the start, it starts from 0 instead, and `start`
 * computes what the true initial state adds to a product of the first step.
 *
 * @param recurrence changed in place.
 * @returns names of the outputs of `start` for the first step alone. Later steps take 0, of the
 * shape [1, 1].
 */
export function quantizeRecurrence({ start, step }: Recurrence): readonly string[] {
  lookUpProducts(step.graph);
  const { bounded, first } = boundStates(start.graph, step.graph);
  quantizeProducts(start);
  quantizeProducts(step, bounded);
  return first;
}

function lookUpProducts(step: Graph): void {
  const weights = weightsOf(step);
  const lookups = new Map(step.node!.filter(isLookup).map((node) => [node.output![0], node]));
  step.node = step.node!.flatMap((node) => {
    const product = productOf(node, weights);
    const lookup = product && lookups.get(product.x);
    const table = weights.get(lookup?.input![0] ?? '');
    if (!lookup || !table || bytesOfProduct(table, product) > largestTable) return [node];
    const products = `${product.output}/table`;
    return [
      productNode({ ...product, x: table.name!, output: products }),
      { ...lookup, input: [products, lookup.input![1]], output: [product.output] },
    ];
  });
  removeUnread(step);
}

/** Whether a node looks up rows of a table. */
const isLookup = ({ opType, attribute = [] }: Node): boolean =>
  opType === 'Gather' && attribute.every(({ name, i }) => name !== 'axis' || Number(i ?? 0) === 0);

const bytesOfProduct = ({ dims }: Tensor, { weight }: Product): number =>
  4 * Number(dims![0]) * Number(weight.dims![1]);

/**
 * @returns `bounded`: the states that now always lie within [-1, 1]; `first`: the extra inputs of
 * the first step.
 */
function boundStates(start: Graph, step: Graph): { bounded: Set<string>; first: string[] } {
  const weights = weightsOf(step);
  const stays = boundedValues(step);
  const begins = boundedValues(start);
  const bounded = new Set<string>();
  const first: string[] = [];
  for (const { name: state } of [...start.output!]) {
    const readers = step.node!.filter(({ input }) => input!.includes(state));
    const products = readers.flatMap((node) => productOf(node, weights) ?? []);
    if (!stays.has(nextOf(state)) || products.length < readers.length) continue;
    bounded.add(state);
    if (begins.has(state)) continue;
    const beginning = `${state}/start`;
    for (const node of start.node!) {
      const renamed = (value: string) => (value === state ? beginning : value);
      [node.input, node.output] = [node.input!.map(renamed), node.output!.map(renamed)];
    }
    start.node!.push({ opType: 'Sub', input: [beginning, beginning], output: [state] });
    for (const { weight, output } of products) {
      const [added, sum] = [`${output}/first`, `${output}/later`];
      start.node!.push(productNode({ x: beginning, weight, output: added }));
      start.initializer!.push(weight);
      start.output!.push(floats(added));
      step.input!.push(floats(added));
      const at = step.node!.findIndex((node) => node.output![0] === output);
      step.node![at].output = [sum];
      step.node!.splice(at + 1, 0, { opType: 'Add', input: [sum, added], output: [output] });
      first.push(added);
    }
  }
  return { bounded, first };
}

/** An input or output: a float matrix of any size. */
const floats = (name: string) => ({
  name,
  type: { tensorType: { elemType: DataType.float, shape: { dim: [{ dimParam: `${name}/rows` }, { dimParam: `${name}/columns` }] } } },
}); // prettier-ignore
