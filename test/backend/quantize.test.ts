import { expect } from 'chai';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { GraphBuilder } from '../../lib/backend/onnx/graph.js';
import { exactSums, quantizeProducts } from '../../lib/backend/onnx/quantize.js';
import { decodeModel, encodeModel } from '../../lib/backend/onnx/proto.js';
import { fillWeights } from '../../lib/backend/onnx/weights.js';
import { Random } from '../../lib/random.js';

describe('quantizeProducts', () => {
  const [M, K, N] = [9, 64, 33];
  const random = new Random(4);
  const normal = (n: number, scale: (i: number) => number = () => 1) =>
    Float32Array.from({ length: n }, (_, i) => scale(i) * random.normal());
  const columnScale = (i: number) => 10 ** ((i % N) / 8 - 2); // columns of very different sizes
  const [W, b] = [normal(K * N, columnScale), normal(N)];
  W.fill(0, 0, 1);
  const x = normal(M * K, (i) => 10 ** (Math.floor(i / K) - 4)); // rows, too
  x.fill(0, 3 * K, 4 * K);

  const graph = (bias: boolean) => {
    const builder = new GraphBuilder();
    const [input, kernel] = [builder.input('x', 'float32', ['batch', K]), builder.input('W', 'float32', [K, N])];
    const product = builder.node('Gemm', [input, kernel, ...(bias ? [builder.input('b', 'float32', [N])] : [])]);
    builder.output(product, 'float32', ['batch', N]);
    const weights = new Map([['W', { shape: [K, N], data: W }]]);
    if (bias) weights.set('b', { shape: [N], data: b });
    return fillWeights(builder.encode(), weights);
  };
  const run = async (model: Uint8Array, rows: Float32Array) => {
    const session = await InferenceSession.create(model, {
      intraOpNumThreads: 1,
      logSeverityLevel: 3,
      extra: { session: exactSums() },
    });
    const result = await session.run({ x: new Tensor('float32', rows, [rows.length / K, K]) });
    await session.release();
    return Object.values(result)[0].data as Float32Array;
  };
  /** The formula of its description, in plain numbers. */
  const reference = (bias: boolean): Float64Array => {
    const y = new Float64Array(M * N);
    const columns = Array.from({ length: N }, (_, n) => {
      let most = 0;
      for (let k = 0; k < K; k++) most = Math.max(most, Math.abs(W[k * N + n]));
      return most / 127;
    });
    for (let m = 0; m < M; m++) {
      const row = x.subarray(m * K, (m + 1) * K);
      const scale = row.reduce((most, value) => Math.max(most, Math.abs(value)), 0) / 127 || 1;
      for (let n = 0; n < N; n++) {
        let sum = 0;
        for (let k = 0; k < K; k++) sum += Math.round(row[k] / scale) * Math.round(W[k * N + n] / columns[n]);
        y[m * N + n] = sum * scale * columns[n] + (bias ? b[n] : 0);
      }
    }
    return y;
  };

  for (const bias of [false, true]) {
    it(`computes its formula, and nearly what the graph did ${bias ? 'with' : 'without'} a bias`, async () => {
      const model = graph(bias);
      const [exact, quantized] = [await run(model, x), await run(quantizeProducts(model), x)];
      const expected = reference(bias);
      for (let m = 0; m < M; m++) {
        const size = Math.hypot(...x.subarray(m * K, (m + 1) * K));
        for (let n = 0; n < N; n++) {
          const i = m * N + n;
          const unit = size * columnScale(n);
          // Rounding a half may go either way: a few products of the least steps.
          expect(quantized[i]).to.be.closeTo(expected[i], 1e-3 * unit + 1e-6);
          expect(quantized[i]).to.be.closeTo(exact[i], 0.05 * unit + 1e-6);
        }
      }
    });
  }

  it('gives a row the same result whatever other rows there are', async () => {
    const model = quantizeProducts(graph(true));
    const all = await run(model, x);
    for (let m = 0; m < M; m++) {
      expect(await run(model, x.slice(m * K, (m + 1) * K))).to.deep.equal(all.slice(m * N, (m + 1) * N));
    }
  });

  it('looks rows of a table up in 8 bits', async () => {
    const builder = new GraphBuilder();
    const [table, tokens] = [builder.input('table', 'float32', [M, K]), builder.input('tokens', 'int32', ['batch'])];
    const rows = builder.node('Gather', [table, tokens], { axis: 0 });
    builder.output(builder.node('Gemm', [rows, builder.input('W', 'float32', [K, N])]), 'float32', ['batch', N]);
    const weights = new Map([
      ['W', { shape: [K, N], data: W }],
      ['table', { shape: [M, K], data: x }],
    ]);
    const quantized = quantizeProducts(fillWeights(builder.encode(), weights));
    expect(decodeModel(quantized).graph.initializer!.map(({ name }) => name)).to.not.include.members(['table', 'W']);
    const session = await InferenceSession.create(quantized, { logSeverityLevel: 3, extra: { session: exactSums() } });
    const places = [4, 0, 8, 8, 3];
    const found = await session.run({ tokens: new Tensor('int32', Int32Array.from(places), [places.length]) });
    await session.release();
    const expected = reference(false);
    const sums = Object.values(found)[0].data as Float32Array;
    sums.forEach((sum, i) => {
      const m = places[Math.floor(i / N)];
      const unit = Math.hypot(...x.subarray(m * K, (m + 1) * K)) * columnScale(i % N);
      expect(sum).to.be.closeTo(expected[m * N + (i % N)], 1e-3 * unit + 1e-6);
    });
  });

  it('takes less room, and leaves what is no such product alone', () => {
    const model = graph(true);
    expect(quantizeProducts(model).length).to.be.below(0.55 * model.length);
    const decoded = decodeModel(model);
    decoded.graph.node![0].attribute = [{ name: 'transA', type: 2, i: 1 }];
    const other = decodeModel(quantizeProducts(encodeModel(decoded)));
    expect(other.graph.node!.map(({ opType }) => opType)).to.deep.equal(['Gemm']);
    expect(other.graph.initializer!.map(({ name }) => name)).to.deep.equal(['W', 'b']);
  });
});
