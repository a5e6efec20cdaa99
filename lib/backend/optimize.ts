import { fuse } from './fusion.js';
import { joinLogSoftmax } from './log-softmax.js';
import type { GraphBuilder } from '../onnx/graph-builder.js';
import { AttributeType, type Node } from '../onnx/protobuf.js';
import { uses } from './consumers.js';

/**
 * Rewrites a traced graph to compute the same with less work.
 * @param portable for a file with constant weights, not for immediate use.
 */
export function optimize(graph: GraphBuilder, { portable = false } = {}): void {
  dropIdentities(graph);
  dropTransposePairs(graph);
  joinProductSums(graph);
  fuseBiases(graph);
  joinSquares(graph);
  joinLogSoftmax(graph);
  transposeAhead(graph);
  shareEqualNodes(graph);
  if (!portable) fuse(graph);
  dropUnused(graph);
}

/** Drops nodes that only copy, so that their inputs take their places. */
function dropIdentities(graph: GraphBuilder): void {
  const { producers } = uses(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const same = new Map<string, string>();
  const find = (name: string): string => (same.has(name) ? find(same.get(name)!) : name);
  for (const { opType, input, output } of graph.nodes) {
    if (opType !== 'Identity') continue;
    const [source, copy] = [find(input![0]), output![0]];
    if (!outputs.has(copy)) same.set(copy, source);
    else if (producers.has(source) && !outputs.has(source)) same.set(source, copy);
  }
  graph.nodes = graph.nodes.filter(({ opType, input, output }) => {
    return opType !== 'Identity' || find(input![0]) !== find(output![0]);
  });
  for (const node of graph.nodes) {
    node.input = node.input!.map(find);
    node.output = node.output!.map(find);
  }
  for (const [from, to] of same) {
    const shape = graph.shapes.get(from);
    if (shape && !graph.shapes.has(find(to))) graph.shapes.set(find(to), shape);
  }
}

/** Drops pairs of transposes that cancel out, which operations for channels last leave behind. */
function dropTransposePairs(graph: GraphBuilder): void {
  const { producers } = uses(graph);
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const permOf = (node: Node | undefined) => (node?.opType === 'Transpose' ? node.attribute?.[0]?.ints : undefined);
  const same = new Map<string, string>();
  for (const node of graph.nodes) {
    node.input = node.input!.map((name) => same.get(name) ?? name);
    const [second, before] = [permOf(node), producers.get(node.input[0])];
    const first = permOf(before);
    const output = node.output![0];
    if (!first || !second?.every((axis, i) => Number(first[Number(axis)]) === i) || outputs.has(output)) continue;
    const [origin] = before!.input!;
    same.set(output, origin);
    const shape = graph.shapes.get(output);
    if (shape && !graph.shapes.has(origin)) graph.shapes.set(origin, shape);
  }
  dropUnusedNodes(graph);
}

/**
 * The gradient of a weight that every time step uses is a sum over steps of A_t^T B_t, or of
 * A_t B_t^T. Stacking all A_t and all B_t gives one product, many times faster than T small products and T - 1 sums of
 * matrices as large as the weight.
 */
function joinProductSums(graph: GraphBuilder): void {
  const { producers, consumers, usedOnce } = uses(graph);
  const shapeOf = (name: string) => graph.shapes.get(name);
  const isSum = (node: Node | undefined): node is Node => node?.opType === 'Add' || node?.opType === 'Sum';

  /**
   * The terms of a tree of additions. Inner sums must have no other consumer, and all terms must
   * have the sum's shape.
   */
  const terms = (name: string, shape: string): string[] => {
    const node = producers.get(name);
    if (!isSum(node) || node.input!.some((input) => shapeOf(input)?.join() !== shape)) return [name];
    return node.input!.flatMap((input) => (usedOnce(input) ? terms(input, shape) : [input]));
  };
  const places = new Map(graph.nodes.flatMap(({ output }, i) => output!.map((name) => [name, i])));
  const place = (name: string) => places.get(name) ?? -1;
  /** 'transA' for A^T B, 'transB' for A B^T, of which nothing but the sum depends. */
  const formOf = (name: string) => {
    const node = producers.get(name);
    if (node?.opType !== 'Gemm' || node.input!.length !== 2 || !usedOnce(name)) return undefined;
    return node.attribute?.length === 1 ? node.attribute[0].name : undefined;
  };

  const rewritten: Node[] = [];
  for (const node of graph.nodes) {
    const output = node.output![0];
    const isRoot = isSum(node) && !(usedOnce(output) && isSum(consumers.get(output)![0]));
    const shape = shapeOf(output)?.join();
    const parts = isRoot && shape !== undefined ? terms(output, shape) : [];
    const form = parts.map(formOf).find((found) => found !== undefined);
    const isProduct = (name: string) => form !== undefined && formOf(name) === form;
    const products = parts.filter(isProduct).map((name) => producers.get(name)!);
    // In the order of the time steps, in which other nodes stack the same matrices.
    products.sort((p, q) => place(p.input![0]) - place(q.input![0]));
    if (products.length < 2) {
      rewritten.push(node);
      continue;
    }
    const stacked = [0, 1].map((side) => {
      const name = graph.fresh();
      const input = products.map((product) => product.input![side]);
      const attribute = [{ name: 'axis', type: AttributeType.int, i: form === 'transA' ? 0 : 1 }];
      rewritten.push({ opType: 'Concat', input, output: [name], attribute });
      return name;
    });
    const rest = parts.filter((name) => !isProduct(name));
    const joined = rest.length === 0 ? output : graph.fresh();
    rewritten.push({ opType: 'Gemm', input: stacked, output: [joined], attribute: products[0].attribute });
    if (rest.length > 0) rewritten.push({ opType: 'Sum', input: [joined, ...rest], output: [output] });
  }
  graph.nodes = rewritten;
}

/**
 * A Gemm adds a matrix, or a bias in a row or a column, while it writes its product, which saves
 * another pass over the result.
 */
function fuseBiases(graph: GraphBuilder): void {
  const { producers, usedOnce } = uses(graph);
  const joined = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.opType !== 'Add') continue;
    const product = node.input!.find((name) => isFreeProduct(name));
    if (product === undefined) continue;
    const [rows, columns] = graph.shapes.get(product) ?? [];
    const term = node.input!.find((name) => name !== product);
    const shape = term === undefined ? undefined : graph.shapes.get(term)?.join();
    if (![`${columns}`, `${rows},1`, `${rows},${columns}`].includes(shape!)) continue;
    const gemm = producers.get(product)!;
    joined.add(gemm);
    Object.assign(node, { opType: 'Gemm', input: [...gemm.input!, term], attribute: gemm.attribute });
  }
  graph.nodes = graph.nodes.filter((node) => !joined.has(node));

  function isFreeProduct(name: string): boolean {
    const gemm = producers.get(name);
    return gemm?.opType === 'Gemm' && gemm.input!.length === 2 && usedOnce(name) && !joined.has(gemm);
  }
}

/**
 * ONNX Runtime multiplies A^T B some 15 % faster if a separate node transposes A. (GraphSession
 * keeps ONNX Runtime from fusing the two again.) A^T B^T is (B A)^T: of the three matrices, the
 * result is transposed if it is smaller than A.
 */
function transposeAhead(graph: GraphBuilder): void {
  const sizeOf = (name: string) => graph.shapes.get(name)?.reduce((size, d) => size * d, 1) ?? 0;
  const transpose = (input: string, output: string): Node => {
    const attribute = [{ name: 'perm', type: AttributeType.ints, ints: [1, 0] }];
    return { opType: 'Transpose', input: [input], output: [output], attribute };
  };
  graph.nodes = graph.nodes.flatMap((node) => {
    const rest = node.attribute?.filter(({ name }) => name !== 'transA');
    if (node.opType !== 'Gemm' || rest?.length === node.attribute?.length) return [node];
    const [a, ...others] = node.input!;
    const [output] = node.output!;
    const transposed = graph.fresh();
    if (rest?.length === 1 && others.length === 1 && sizeOf(output) < sizeOf(a))
      return [{ ...node, input: [others[0], a], output: [transposed], attribute: [] }, transpose(transposed, output)];
    return [transpose(a, transposed), { ...node, input: [transposed, ...others], attribute: rest }];
  });
}

/** Computes once what several nodes compute from the same values. */
function shareEqualNodes(graph: GraphBuilder): void {
  const outputs = new Set(graph.outputs.map(({ name }) => name));
  const known = new Map<string, Node>();
  const same = new Map<string, string>();
  graph.nodes = graph.nodes.filter((node) => {
    node.input = node.input!.map((name) => same.get(name) ?? name);
    if (node.output!.some((name) => outputs.has(name))) return true;
    // A node of which more outputs are read is another one: MaxPool with the places of its maxima.
    const { opType, input, attribute } = node;
    const key = JSON.stringify([opType, input, attribute, node.output!.length], (_, value: unknown) =>
      value instanceof Uint8Array ? [...value] : typeof value === 'bigint' ? `${value}n` : value,
    );
    const first = known.get(key);
    if (first) node.output!.forEach((name, i) => same.set(name, first.output![i]));
    else known.set(key, node);
    return !first;
  });
}

/** A sum of squares, as in the norm of a gradient, needs no array of squares. */
function joinSquares(graph: GraphBuilder): void {
  const { producers, usedOnce } = uses(graph);
  for (const node of graph.nodes) {
    if (node.opType !== 'ReduceSum') continue;
    const [squares, axes] = node.input!;
    const square = producers.get(squares);
    if (square?.opType !== 'Mul' || square.input![0] !== square.input![1] || !usedOnce(squares)) continue;
    Object.assign(node, { opType: 'ReduceSumSquare', input: [square.input![0], axes] });
  }
}

/** Drops nodes and constants that no output depends on. */
export function dropUnused(graph: GraphBuilder): void {
  const needed = dropUnusedNodes(graph);
  for (const name of [...graph.constants.keys()]) if (!needed.has(name)) graph.constants.delete(name);
}

/** Drops nodes that no output depends on, and returns the names of all values that are still used. */
function dropUnusedNodes(graph: GraphBuilder): Set<string> {
  const needed = new Set(graph.outputs.map(({ name }) => name));
  const kept: Node[] = [];
  for (const node of [...graph.nodes].reverse()) {
    if (!node.output!.some((name) => needed.has(name))) continue;
    for (const input of node.input!) needed.add(input);
    kept.push(node);
  }
  graph.nodes = kept.reverse();
  return needed;
}
