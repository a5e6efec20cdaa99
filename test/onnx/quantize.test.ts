import { expect } from 'chai';
import { GraphBuilder } from '../../lib/onnx/graph-builder.js';
import { quantizeProducts } from '../../lib/onnx/quantize.js';
import { exactSums } from '../../lib/onnx/session-options.js';
import { decodeModel, encodeModel, type Model } from '../../lib/onnx/protobuf.js';
import { fillWeights } from '../../lib/onnx/weights.js';
import { Random } from '../../lib/random.js';
import { onnxRuntime } from '../../lib/onnx/runtime.js';

const { InferenceSession, Tensor } = onnxRuntime();

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
    const model = decodeModel(builder.encode());
    fillWeights(model.graph, weights);
    return model;
  };
  const quantized = (bias: boolean) => {
    const model = graph(bias);
    quantizeProducts(model);
    return model;
  };
  const run = async (model: Model, rows: Float32Array) => {
    const session = await InferenceSession.create(encodeModel(model), {
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
      const [exact, rounded] = [await run(graph(bias), x), await run(quantized(bias), x)];
      const expected = reference(bias);
      for (let m = 0; m < M; m++) {
        const size = Math.hypot(...x.subarray(m * K, (m + 1) * K));
        for (let n = 0; n < N; n++) {
          const i = m * N + n;
          const unit = size * columnScale(n);
          // Rounding a half may go either way: a few products of the least steps.
          expect(rounded[i]).to.be.closeTo(expected[i], 1e-3 * unit + 1e-6);
          expect(rounded[i]).to.be.closeTo(exact[i], 0.05 * unit + 1e-6);
        }
      }
    });
  }

  it('gives a row the same result whatever other rows there are', async () => {
    const model = quantized(true);
    const all = await run(model, x);
    for (let m = 0; m < M; m++) {
      expect(await run(model, x.slice(m * K, (m + 1) * K))).to.deep.equal(all.slice(m * N, (m + 1) * N));
    }
  });

  it('needs no scales of rows if values are within [-1, 1]', async () => {
    const builder = new GraphBuilder();
    const [input, kernel] = [builder.input('x', 'float32', ['batch', K]), builder.input('W', 'float32', [K, N])];
    const bounded = builder.node('Mul', [builder.node('Sigmoid', [input]), builder.node('Tanh', [input])]);
    const product = builder.node('Gemm', [bounded, kernel, builder.input('b', 'float32', [N])]);
    builder.output(product, 'float32', ['batch', N]);
    const model = decodeModel(builder.encode());
    fillWeights(model.graph, new Map([['W', { shape: [K, N], data: W }], ['b', { shape: [N], data: b }]])); // prettier-ignore
    const exact = await run(model, x);
    quantizeProducts(model);
    expect(model.graph.node!.map(({ opType }) => opType)).to.not.include('ReduceMax');
    const rounded = await run(model, x);
    // Each of the K values of a row is at most half of 1 / 127 off, and each weight at most half of its column's 1 / 127.
    rounded.forEach((value, i) => expect(value).to.be.closeTo(exact[i], 0.2 * columnScale(i % N)));
  });

  it('is smaller, and leaves other products alone', () => {
    expect(encodeModel(quantized(true)).length).to.be.below(0.55 * encodeModel(graph(true)).length);
    const other = graph(true);
    other.graph.node![0].attribute = [{ name: 'transA', type: 2, i: 1 }];
    quantizeProducts(other);
    expect(other.graph.node!.map(({ opType }) => opType)).to.deep.equal(['Gemm']);
    expect(other.graph.initializer!.map(({ name }) => name)).to.deep.equal(['W', 'b']);
  });
});
