import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { compile, exportGraph, useBackend } from '../../lib/backend/index.js';
import { currentOnnxBackend } from '../../lib/backend/backend.js';
import { decodeModel, encodeModel } from '../../lib/onnx/protobuf.js';
import { fillWeights } from '../../lib/onnx/weights.js';
import { Session } from '../../lib/onnx/session.js';
import { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { onnxRuntime } from '../../lib/onnx/runtime.js';

const { Tensor: OrtTensor } = onnxRuntime();

type Tensors = Record<string, tf.Tensor>;

const [T, B, E, H, V] = [5, 4, 6, 7, 11];

function uniform(shape: number[], seed: number): tf.Tensor {
  const random = new Random(seed);
  return tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => random.uniform() - 0.5),
    shape,
  );
}

/** A small LSTM language model with Adam, in plain TensorFlow.js, and the batches it sees. */
function languageModel(): {
  step: (x: Tensors) => { loss: tf.Tensor };
  variables: tf.Variable[];
  batch(i: number): Tensors;
} {
  const shapes = [[V, E], [E, 4 * H], [H, 4 * H], [4 * H], [H, V]]; // prettier-ignore
  const variables = shapes.map((shape, i) => tf.variable(uniform(shape, i)));
  const [embedding, W, U, b, out] = variables as unknown as tf.Tensor2D[];
  const adam = tf.train.adam(0.02);
  const step = ({ tokens, targets, mask, scale }: Tensors) => {
    const { value, grads } = tf.variableGrads(() => {
      const x = tf.mul(tf.gather(embedding, tf.reshape(tokens, [-1])), mask);
      const inputs = tf.split(tf.add(tf.matMul(x as tf.Tensor2D, W), b), T, 0) as tf.Tensor2D[];
      let h = tf.zeros([B, H]) as tf.Tensor2D;
      let c = tf.zeros([B, H]);
      const outputs = inputs.map((input) => {
        const [i, f, g, o] = tf.split(tf.add(input, tf.matMul(h, U)), 4, 1);
        c = tf.add(tf.mul(tf.sigmoid(f), c), tf.mul(tf.sigmoid(i), tf.tanh(g)));
        return (h = tf.mul(tf.sigmoid(o), tf.tanh(c)));
      });
      const logits = tf.matMul(tf.concat(outputs, 0), out);
      const oneHot = tf.oneHot(tf.reshape(targets, [-1]) as tf.Tensor1D, V);
      return tf.mul(tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(logits), oneHot), 1))), scale) as tf.Scalar;
    });
    adam.applyGradients(grads as Record<string, tf.Variable>);
    return { loss: value };
  };
  const batch = (i: number): Tensors => {
    const random = new Random(100, i);
    const ids = () =>
      tf.tensor2d(
        Int32Array.from({ length: T * B }, () => random.integer(V)),
        [T, B],
        'int32',
      );
    return { tokens: ids(), targets: ids(), mask: uniform([T * B, E], 50 + i), scale: tf.scalar(1 + (i % 2)) };
  };
  return { step, variables, batch };
}

/** Weights and losses after some steps. */
async function train(
  steps: number,
  run: (step: (x: Tensors) => { loss: tf.Tensor }) => (x: Tensors) => Promise<{ loss: tf.Tensor }>,
) {
  const { step, variables, batch } = languageModel();
  const stepper = run(step);
  const losses: number[] = [];
  for (let i = 0; i < steps; i++) {
    const inputs = batch(i);
    const { loss } = await stepper(inputs);
    losses.push(loss.dataSync()[0]);
    tf.dispose([inputs, loss]);
  }
  return { losses, weights: variables.map((v) => Array.from(v.dataSync())).flat() };
}

const refusal = async (run: () => Promise<unknown>): Promise<CaptionerError> => {
  try {
    await run();
  } catch (error) {
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  }
  throw new Error('it was not refused');
};

function expectClose(actual: number[], expected: number[], tolerance: number): void {
  expect(actual).to.have.length(expected.length);
  const worst = Math.max(...actual.map((x, i) => Math.abs(x - expected[i])));
  expect(worst).to.be.at.most(tolerance);
}

describe('a compiled step', () => {
  before(async () => {
    await useBackend('onnx');
    currentOnnxBackend()!.eager.smallestWork = 0;
  });
  after(() => {
    currentOnnxBackend()!.eager.smallestWork = 8192;
  });

  it('trains an LSTM with tf.train.adam to the same weights as eager mode and as plain JavaScript', async () => {
    const eagerly = (step: (x: Tensors) => { loss: tf.Tensor }) => (x: Tensors) =>
      Promise.resolve(tf.tidy(() => step(x)));
    await useBackend('cpu');
    const cpu = await train(12, eagerly);
    await useBackend('onnx');
    const eager = await train(12, eagerly);
    const compiled = await train(12, compile as typeof eagerly);
    expect(cpu.losses[11]).to.be.lessThan(cpu.losses[1]);
    for (const other of [eager, compiled]) {
      expectClose(other.losses, cpu.losses, 2e-5);
      expectClose(other.weights, cpu.weights, 2e-4);
    }
    const wasm = await useBackend('wasm').then(() =>
      train(1, (step) => (x) => compile(step)(x)).catch(() => undefined),
    );
    await useBackend('onnx');
    // WebAssembly lacks the gradient of the embedding look-up: it is a choice for captioning, not for training.
    expect(wasm).to.equal(undefined);
  });

  it('gives exactly the same weights when run again', async () => {
    const [a, b] = [await train(6, compile as never), await train(6, compile as never)];
    expect(a.weights).to.deep.equal(b.weights);
  });

  it('is traced once for each set of shapes, and keeps no tensors', async () => {
    const v = tf.variable(tf.zeros([3]));
    const step = compile(({ x }: Tensors) => {
      v.assign(tf.add(v, tf.sum(x, 0)));
      return { total: tf.sum(v) };
    });
    const before = tf.memory().numTensors;
    for (let i = 0; i < 30; i++) {
      const x = tf.ones([2 + (i % 3), 3]);
      tf.dispose([x, await step({ x })]);
    }
    expect(step.graphs).to.equal(3);
    expect(tf.memory().numTensors).to.equal(before);
    expect(Array.from(v.dataSync())).to.deep.equal([90, 90, 90]);
    step.dispose();
    v.dispose();
  });

  it('sees values assigned from outside, and leaves clones and read values alone', async () => {
    const v = tf.variable(tf.tensor1d([1, 2]));
    const step = compile(({ x }: Tensors) => {
      v.assign(tf.mul(v, x));
      return { v: tf.clone(v) };
    });
    const x = tf.scalar(2);
    await step({ x });
    const read = v.dataSync();
    const clone = tf.clone(v);
    await step({ x });
    await step({ x });
    expect(Array.from(read)).to.deep.equal([2, 4]);
    expect(Array.from(clone.dataSync())).to.deep.equal([2, 4]);
    expect(Array.from(v.dataSync())).to.deep.equal([8, 16]);
    const given = Float32Array.of(1, 1);
    v.assign(tf.tensor1d(given));
    for (let i = 0; i < 4; i++) await step({ x });
    expect(Array.from(v.dataSync())).to.deep.equal([16, 16]);
    expect(Array.from(given)).to.deep.equal([1, 1]);
  });

  it('separates variables that started from the same tensor, and that tensor', async () => {
    const start = tf.tensor1d([1, 2]);
    const [a, b] = [tf.variable(start), tf.variable(start)];
    const step = compile(({ x }: Tensors) => {
      a.assign(tf.mul(a, x));
      return { a: tf.clone(a), sum: tf.add(a, tf.mul(b, start)) };
    });
    const x = tf.scalar(3);
    await step({ x });
    b.assign(tf.tensor1d([10, 10]));
    const { sum } = await step({ x });
    expect(Array.from(a.dataSync())).to.deep.equal([9, 18]);
    expect(Array.from(sum.dataSync())).to.deep.equal([9 + 10, 18 + 20]);
    expect(Array.from(start.dataSync())).to.deep.equal([1, 2]);
  });

  it("accepts variables with the names of the graph's own values", async () => {
    const [v0, c0] = ['#v0', '#c0'].map((name, i) => tf.variable(uniform([3], i), true, name));
    const run = compile(({ x }: Tensors) => {
      const y = tf.mul(tf.add(tf.mul(x, v0), c0), 3);
      v0.assign(y as tf.Tensor1D);
      return { y };
    });
    const x = uniform([3], 9);
    const expected = tf.mul(tf.add(tf.mul(x, v0), c0), 3).dataSync();
    const { y } = await run({ x });
    expectClose(Array.from(y.dataSync()), Array.from(expected), 1e-6);
    expectClose(Array.from(v0.dataSync()), Array.from(expected), 1e-6);
    tf.dispose([v0, c0]);
    run.dispose();
  });

  it('uses one constant as integers and as floats', async () => {
    const { eager } = currentOnnxBackend()!;
    eager.smallestWork = Infinity; // in JavaScript, a cast from integers to floats hands on the same data
    const whole = tf.tensor1d([1, 2, 3], 'int32');
    const halves = tf.cast(whole, 'float32');
    eager.smallestWork = 0;
    const step = compile(({ x, n }: Tensors) => ({ sum: tf.add(n, whole), half: tf.mul(x, halves) }));
    const { sum, half } = await step({ x: tf.scalar(0.5), n: tf.scalar(1, 'int32') });
    expect(Array.from(sum.dataSync())).to.deep.equal([2, 3, 4]);
    expect(Array.from(half.dataSync())).to.deep.equal([0.5, 1, 1.5]);
  });

  it('refuses random numbers, counters and values from JavaScript, naming the operation', async () => {
    let calls = 0;
    const x = tf.ones([4]);
    const random = await refusal(() => compile((t: Tensors) => ({ y: tf.mul(t.x, tf.randomUniform([4])) }))({ x }));
    expect(random.code).to.equal('impure-step');
    expect(random.message).to.contain('Multiply');
    const counter = await refusal(() => compile((t: Tensors) => ({ y: tf.sub(t.x, ++calls) }))({ x }));
    expect(counter.code).to.equal('impure-step');
    expect(counter.message).to.contain('Sub');
    const reading = await refusal(() =>
      compile((t: Tensors) => ({ y: tf.mul(t.x, Number(t.x.dataSync()[0])) }))({ x }),
    );
    expect(reading.code).to.equal('impure-step');
    expect(reading.message).to.contain('dataSync');
  });

  it('names an operation that it cannot compile', async () => {
    const error = await refusal(() => compile((t: Tensors) => ({ y: tf.mod(t.x, 2) }))({ x: tf.ones([3]) }));
    expect(error.code).to.equal('unsupported');
    expect(error.message).to.contain('Mod');
  });

  it('leaves variables as they were when it is refused', async () => {
    const v = tf.variable(tf.tensor1d([1, 2, 3]));
    const step = compile(({ x }: Tensors) => {
      v.assign(tf.add(v, x));
      return { y: tf.mod(v, 2) };
    });
    await refusal(() => step({ x: tf.ones([3]) }));
    expect(Array.from(v.dataSync())).to.deep.equal([1, 2, 3]);
  });

  it('just runs on another backend', async () => {
    await useBackend('cpu');
    const { y } = await compile((t: Tensors) => ({ y: tf.square(t.x) }))({ x: tf.scalar(3) });
    expect(y.dataSync()[0]).to.equal(9);
    await useBackend('onnx');
  });
});

describe('an exported graph', () => {
  before(() => useBackend('onnx'));

  it('fits any batch size and takes its weights by name', () => {
    const w = tf.variable(tf.tensor2d([1, 2, 3, 4, 5, 6], [2, 3]), true);
    const b = tf.variable(tf.tensor1d([10, 20, 30]), true);
    const { model, weights } = exportGraph(
      ({ x }) => ({ y: tf.tanh(tf.div(tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b), 50)) }),
      (batch) => ({ x: tf.zeros([batch, 2]) }),
      { 'layer/kernel': w, 'layer/bias': b },
    );
    expect(weights).to.have.members(['layer/kernel', 'layer/bias']);
    const filled = decodeModel(model);
    fillWeights(
      filled.graph,
      new Map([
        ['layer/kernel', { shape: [2, 3], data: w.dataSync() as Float32Array }],
        ['layer/bias', { shape: [3], data: b.dataSync() as Float32Array }],
      ]),
    );
    const session = new Session(encodeModel(filled));
    for (const rows of [1, 2, 5]) {
      const x = uniform([rows, 2], rows);
      const { y } = session.run({ x: new OrtTensor('float32', x.dataSync() as Float32Array, [rows, 2]) });
      const expected = tf.tanh(tf.div(tf.add(tf.matMul(x as tf.Tensor2D, w as tf.Tensor2D), b), 50));
      expect(y.dims).to.deep.equal([rows, 3]);
      expectClose(Array.from(y.data as Float32Array), Array.from(expected.dataSync()), 1e-6);
    }
    session.release();
  });

  it('is refused when it would depend on the batch size', () => {
    expect(() =>
      exportGraph(
        ({ x }) => ({ y: tf.div(tf.sum(x, 0), x.shape[0]) }),
        (batch) => ({ x: tf.zeros([batch, 2]) }),
        {},
      ),
    ).to.throw(CaptionerError, 'any batch size');
  });
});

describe('the choice of a backend', () => {
  it('runs tfjs-node if it is installed, and otherwise says how to install it', async function () {
    try {
      await useBackend('tensorflow');
    } catch (error) {
      expect((error as CaptionerError).code).to.equal('unsupported');
      expect((error as CaptionerError).message).to.contain("choose 'onnx'");
      return;
    } finally {
      await useBackend('onnx');
    }
    expect(tf.getBackend()).to.equal('onnx');
  });
});
