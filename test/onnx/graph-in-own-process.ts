/** Loads a graph, collects garbage and runs it: prints what it computes. The process loads nothing else of ONNX Runtime. */
import { GraphBuilder } from '../../lib/onnx/graph-builder.js';
import { loadGraph } from '../../lib/onnx/graph-session.js';

const graph = new GraphBuilder();
const x = graph.input('x', 'float32', [2]);
const y = graph.node('Relu', [x]);
graph.output(y, 'float32', [2]);
const session = loadGraph(graph.encode(), { threads: 1 });
for (let turn = 0; turn < 20; turn++) {
  globalThis.gc!();
  await new Promise(setImmediate);
}
const output = { data: new Float32Array(2), dtype: 'float32' as const, shape: [2] };
await session.run({ x: { ...output, data: Float32Array.of(-1, 2) } }, { [y]: output });
console.log(output.data.join(' '));
