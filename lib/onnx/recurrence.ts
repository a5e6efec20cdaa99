import { boundedValues, productNode, productOf, removeUnread, weightsOf, type Product } from './products.js';
import { DataType, type Graph, type Model, type Node, type Tensor } from './protobuf.js';
import { quantizeProducts } from './quantize.js';

/** The networks of a recurrent decoder: `start` gives the state `s` that `step` takes, and gives on as `next/s`. Weights are in them. */
export interface Recurrence {
  readonly start: Model;
  readonly step: Model;
}

/** The name by which a step gives a state on. */
export const nextOf = (state: string): string => `next/${state}`;

/** A table of products takes at most so many bytes. */
const largestTable = 64 * 2 ** 20;

/**
 * Lets a recurrent network multiply in 8 bits ({@link quantizeProducts}), after two changes that make a step cheaper and nothing different:
 *
 * - x W + b of a row x of a table (a word's embedding) is a row of the table's own product, which ONNX Runtime computes when it loads the
 *   graph;
 * - a state that is within [-1, 1] but for what it starts from starts from 0, and what its true beginning adds to a product comes to
 *   the first step from `start`.
 *
 * @param recurrence changed in place.
 * @returns names of what `start` gives for the first step alone: later ones take 0, of the shape [1, 1].
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

/** Whether a node takes rows of a table. */
const isLookup = ({ opType, attribute = [] }: Node): boolean =>
  opType === 'Gather' && attribute.every(({ name, i }) => name !== 'axis' || Number(i ?? 0) === 0);

const bytesOfProduct = ({ dims }: Tensor, { weight }: Product): number =>
  4 * Number(dims![0]) * Number(weight.dims![1]);

/** @returns `bounded`: the states that are never outside [-1, 1] now; `first`: what the first step takes, besides the state. */
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

/** An input or output: a matrix of floats, of any size. */
const floats = (name: string) => ({
  name,
  type: { tensorType: { elemType: DataType.float, shape: { dim: [{ dimParam: `${name}/rows` }, { dimParam: `${name}/columns` }] } } },
}); // prettier-ignore
