import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { expect } from 'chai';
import { ortApi } from '../../lib/onnx/c-api.js';
import { GraphBuilder } from '../../lib/onnx/graph-builder.js';
import { CopyingGraphSession, NativeGraphSession, type GraphSession } from '../../lib/onnx/graph-session.js';
import { CaptionerError } from '../../lib/errors.js';

/** y = a b + a number for each column, and which of its numbers are positive. */
function model(): Uint8Array {
  const graph = new GraphBuilder();
  const [a, b, ids] = [
    graph.input('a', 'float32', [2, 3]),
    graph.input('b', 'float32', [3, 2]),
    graph.input('ids', 'int32', [2]),
  ];
  const y = graph.node('Add', [graph.node('Gemm', [a, b]), graph.cast(ids, 1)]);
  graph.output(y, 'float32', [2, 2]);
  graph.output(graph.node('Greater', [y, graph.scalar(0)]), 'bool', [2, 2]);
  return graph.encode();
}

const float = (values: number[], shape: number[]) => ({
  data: Float32Array.from(values),
  dtype: 'float32' as const,
  shape,
});

describe('a graph session', () => {
  const api = ortApi();
  const sessions: Record<string, (bytes: Uint8Array) => GraphSession> = {
    'through onnxruntime-node': (bytes) => new CopyingGraphSession(bytes, {}),
  };
  if (api) sessions["through ONNX Runtime's C interface"] = (bytes) => new NativeGraphSession(api, bytes, {});
  else console.log("  not checked: ONNX Runtime's C interface (koffi can't be loaded here)");

  for (const [name, load] of Object.entries(sessions)) {
    it(`writes its outputs to the memory it is given, ${name}`, async () => {
      const session = load(model());
      const [sum, positive] = ['#v2', '#v3'];
      const outputs = {
        [sum]: float([9, 9, 9, 9], [2, 2]),
        [positive]: { data: new Uint8Array(4), dtype: 'bool' as const, shape: [2, 2] },
      };
      const b = float([1, 0, 0, 1, 1, 1], [3, 2]);
      const ids = { data: Int32Array.of(-10, 10), dtype: 'int32' as const, shape: [2] };
      for (const scale of [1, 2]) {
        const a = float([1, 2, 3, 4, 5, 6].map((x) => scale * x), [2, 3]); // prettier-ignore
        await session.run({ a, b, ids }, outputs);
        const expected = [4 * scale - 10, 5 * scale + 10, 10 * scale - 10, 11 * scale + 10];
        expect(Array.from(outputs[sum].data)).to.deep.equal(expected);
        expect(Array.from(outputs[positive].data)).to.deep.equal(expected.map((x) => Number(x > 0)));
      }
      session.release();
    });

    it(`refuses inputs of another shape without harm, ${name}`, async () => {
      const session = load(model());
      const outputs = { '#v2': float([0, 0, 0, 0], [2, 2]) };
      const ids = { data: Int32Array.of(0, 0), dtype: 'int32' as const, shape: [2] };
      const run = (columns: number) =>
        session.run(
          { a: float([1, 1, 1, 1, 1, 1], [2, 3]), b: float([1, 1, 1, 1, 1, 1], [3, columns].slice(0, 2)), ids },
          outputs,
        );
      const failure = await session
        .run({ a: float([1, 1], [1, 2]), b: float([1, 1], [2, 1]), ids }, outputs)
        .then(() => undefined, (error: Error) => error.message); // prettier-ignore
      expect(failure).to.match(/dimension/i);
      await run(2);
      expect(Array.from(outputs['#v2'].data)).to.deep.equal([3, 3, 3, 3]);
      session.release();
    });
  }

  it('refuses bytes that are not a model', () => {
    if (api)
      expect(() => new NativeGraphSession(api, Uint8Array.of(1, 2, 3), {})).to.throw(
        CaptionerError,
        'rejects the graph',
      );
  });

  it('outlives a garbage collection in a process that does not load onnxruntime-node', () => {
    const script = path.join(import.meta.dirname, 'graph-in-own-process.ts');
    const { stdout, stderr, status } = spawnSync(process.execPath, ['--expose-gc', '--import', 'tsx', script]);
    expect(String(stdout), String(stderr)).to.equal('0 2\n');
    expect(status).to.equal(0);
  });
});
