import type { GraphBuilder } from '../onnx/graph-builder.js';
import { AttributeType, type Attribute, type Node } from '../onnx/protobuf.js';
import { uses } from './consumers.js';

/**
 * The logarithm of a softmax as one operator, whether a graph asks for log softmax(z) or for what
 * TensorFlow.js makes of it, z - max z - log sum exp(z - max z): one pass instead of five, and exact
 * for probabilities too small for a float.
 */
export function joinLogSoftmax(graph: GraphBuilder): void {
  const { producers, usedOnce } = uses(graph);
  /** The node that produces an input of another, if it is of this type. */
  const before = (node: Node | undefined, opType: string, place = 0) => {
    const found = producers.get(node?.input![place] ?? '');
    return found?.opType === opType ? found : undefined;
  };
  const join = (node: Node, input: string, attribute: Attribute[] | undefined) =>
    Object.assign(node, { opType: 'LogSoftmax', input: [input], attribute });
  for (const node of graph.nodes) {
    const softmax = node.opType === 'Log' && usedOnce(node.input![0]) ? before(node, 'Softmax') : undefined;
    if (softmax) join(node, softmax.input![0], softmax.attribute);

    const shifted = node.opType === 'Sub' ? before(node, 'Sub') : undefined;
    const most = before(shifted, 'ReduceMax', 1);
    const sum = before(before(node, 'Log', 1), 'ReduceSum');
    const [z, axes] = most?.input ?? [];
    const isSame =
      z === shifted?.input![0] && before(sum, 'Exp')?.input![0] === node.input![0] && sum?.input![1] === axes;
    const axis = graph.constants.get(axes ?? '')?.data;
    if (!isSame || axis?.length !== 1) continue;
    join(node, z, [{ name: 'axis', type: AttributeType.int, i: Number(axis[0]) }]);
  }
}
