import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { currentOnnxBackend } from '../../lib/backend/backend.js';
import { compile, useBackend } from '../../lib/backend/index.js';
import { CaptionerError } from '../../lib/errors.js';
import { batchNormTraining } from '../../lib/model/encoder/batch-norm.js';
import { Random } from '../../lib/random.js';

type Tensors = Record<string, tf.Tensor>;
type Format = 'NHWC' | 'NCHW';

interface Convolution {
  /** Height and width of the images. */
  readonly size: [number, number];
  readonly batch: number;
  readonly channels: [number, number];
  readonly kernel: number | [number, number];
  readonly stride: number | [number, number];
  readonly pad: 'same' | 'valid' | number | [[0, 0], [number, number], [number, number], [0, 0]];
  readonly format: Format;
}

function filled(shape: number[], seed: number): tf.Tensor {
  const random = new Random(11, seed);
  return tf.tensor(
    Float32Array.from({ length: tf.util.sizeFromShape(shape) }, () => 2 * random.uniform() - 1),
    shape,
  );
}

const pair = (value: number | [number, number]): [number, number] =>
  typeof value === 'number' ? [value, value] : value;

const imageShape = (batch: number, [height, width]: [number, number], channels: number, format: Format) =>
  format === 'NHWC' ? [batch, height, width, channels] : [batch, channels, height, width];

/** Plain values by name. */
interface Values {
  readonly shape: number[];
  readonly data: Float32Array;
}

function read(tensors: Tensors): Record<string, Values> {
  return Object.fromEntries(
    Object.entries(tensors).map(([name, tensor]) => {
      const values = { shape: tensor.shape, data: (tensor.dataSync() as Float32Array).slice() };
      tensor.dispose();
      return [name, values];
    }),
  );
}

/** Every number within `tolerance` of the largest one of its tensor. */
function expectClose(actual: Record<string, Values>, expected: Record<string, Values>, tolerance = 1e-5): void {
  expect(Object.keys(actual)).to.deep.equal(Object.keys(expected));
  for (const [name, { shape, data }] of Object.entries(expected)) {
    expect(actual[name].shape, name).to.deep.equal(shape);
    const scale = data.reduce((largest, x) => Math.max(largest, Math.abs(x)), 1);
    let worst = 0;
    data.forEach((x, i) => (worst = Math.max(worst, Math.abs(x - actual[name].data[i]))));
    expect(worst, name).to.be.at.most(tolerance * scale);
  }
}

/** A function's value and, for slopes of its value, the gradients of its inputs. */
function valueAndGradients(run: (...x: tf.Tensor[]) => tf.Tensor) {
  return (inputs: Tensors): Tensors => {
    const y = run(...Object.values(inputs));
    const dy = tf.reshape(tf.linspace(-1, 1.5, y.size), y.shape);
    const slopes = tf.grads((...x: tf.Tensor[]) => tf.sum(tf.mul(run(...x), dy)))(Object.values(inputs));
    return { y, ...Object.fromEntries(Object.keys(inputs).map((name, i) => [`d${name}`, slopes[i]])) };
  };
}

/** Runs on plain JavaScript, eagerly on ONNX Runtime and as one graph, and compares. */
async function expectSame(run: (inputs: Tensors) => Tensors, make: () => Tensors): Promise<void> {
  await useBackend('cpu');
  const onCpu = make();
  const expected = read(tf.tidy(() => run(onCpu)));
  tf.dispose(onCpu);
  await useBackend('onnx');
  const inputs = make();
  expectClose(read(tf.tidy(() => run(inputs))), expected);
  const step = compile(run);
  expectClose(read(await step(inputs)), expected);
  step.dispose();
  tf.dispose(inputs);
}

const sizes: [number, number][] = [[8, 8], [7, 10], [5, 5]]; // prettier-ignore

const convolutions: Convolution[] = (['NCHW', 'NHWC'] as const).flatMap((format) =>
  [1, 3, 5].flatMap((kernel) =>
    [1, 2].flatMap((stride) =>
      (['same', 'valid', 1] as const).map((pad, i): Convolution => {
        const size = sizes[(i + stride + kernel) % 3];
        return { size, batch: 1 + ((i + kernel) % 3), channels: [3, 4], kernel, stride, pad, format };
      }),
    ),
  ),
);
const plain: Convolution = {
  size: [9, 6],
  batch: 2,
  channels: [2, 3],
  kernel: 3,
  stride: 1,
  pad: 'same',
  format: 'NCHW',
};
convolutions.push(
  { ...plain, kernel: 7, stride: 2, size: [11, 8] },
  { ...plain, kernel: [1, 3] },
  { ...plain, kernel: [3, 2], stride: [2, 1] },
  // A filter wider than the padded gradient can hold, and steps that miss the last pixels.
  { ...plain, pad: 4 },
  { ...plain, stride: 3, pad: 'valid', size: [8, 8] },
  { ...plain, pad: [[0, 0], [1, 2], [0, 3], [0, 0]] }, // prettier-ignore
  // One pixel left, and many outputs for few places.
  { ...plain, size: [1, 1] },
  { ...plain, channels: [5, 40], size: [4, 4] },
  { ...plain, channels: [1, 1], batch: 1, stride: 2 },
);

const describeCase = ({ size, batch, channels, kernel, stride, pad, format }: Convolution) =>
  `${format} ${[batch, ...size].join('x')}, ${channels.join(' -> ')} channels, kernel ${pair(kernel).join('x')}, stride ${stride}, pad ${JSON.stringify(pad)}`;

describe('convolutions on the onnx backend', () => {
  before(async () => {
    await useBackend('onnx');
    currentOnnxBackend()!.eager.smallestWork = 0;
  });

  after(async () => {
    await useBackend('onnx');
    currentOnnxBackend()!.eager.smallestWork = 8192;
  });

  for (const c of convolutions) {
    it(`conv2d and its gradients: ${describeCase(c)}`, async () => {
      const run = valueAndGradients((x, w) => tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, c.stride, c.pad, c.format));
      await expectSame(run, () => ({
        x: filled(imageShape(c.batch, c.size, c.channels[0], c.format), 1),
        w: filled([...pair(c.kernel), ...c.channels], 2),
      }));
    });
  }

  for (const stride of [1, 2]) {
    for (const pad of ['same', 'valid'] as const) {
      for (const multiplier of [1, 2]) {
        it(`depthwiseConv2d and its gradients: ${multiplier} a channel, stride ${stride}, pad ${pad}`, async () => {
          const run = valueAndGradients((x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad));
          await expectSame(run, () => ({ x: filled([2, 7, 6, 3], 1), w: filled([3, 3, 3, multiplier], 2) }));
        });
      }
      for (const [name, pool] of Object.entries({ maxPool: tf.maxPool, avgPool: tf.avgPool })) {
        it(`${name} and its gradient: stride ${stride}, pad ${pad}`, async () => {
          const run = valueAndGradients((x) => pool(x as tf.Tensor4D, 3, stride, pad));
          await expectSame(run, () => ({ x: filled([2, 7, 6, 3], 1) }));
        });
      }
    }
  }

  it('depthwiseConv2d and its gradients: steps that miss the last pixels, and padding wider than the filter', async () => {
    for (const [size, stride, pad] of [
      [8, 3, 'valid'],
      [6, 1, 4],
      [7, 2, 1],
    ] as const)
      // prettier-ignore
      await expectSame(
        valueAndGradients((x, w) => tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, stride, pad)),
        () => ({ x: filled([2, size, size, 3], 1), w: filled([3, 3, 3, 1], 2) }),
      );
  });

  it('dilated convolutions', async () => {
    for (const format of ['NCHW', 'NHWC'] as const) {
      const run = ({ x, w }: Tensors) => ({
        y: tf.conv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', format, 2),
      });
      await expectSame(run, () => ({ x: filled(imageShape(2, [7, 8], 3, format), 1), w: filled([3, 3, 3, 4], 2) }));
    }
  });

  it('refuses a depthwise convolution with channels first in a compiled step', async () => {
    const step = compile(({ x, w }: Tensors) => ({
      y: tf.depthwiseConv2d(x as tf.Tensor4D, w as tf.Tensor4D, 1, 'same', 'NCHW'),
    }));
    const error: unknown = await step({ x: filled([1, 2, 5, 5], 1), w: filled([3, 3, 2, 1], 2) }).catch((e) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    expect((error as Error).message)
      .to.include('DepthwiseConv2dNative')
      .and.include('channels last');
  });
});

/** Two convolutions with batch normalisation, a shortcut, the mean of all pixels and a dense layer; and Adam. */
function smallNetwork() {
  const filter1 = filled([3, 3, 3, 6], 21);
  const filter2 = filled([3, 3, 6, 6], 22);
  const made = [filter1, filter2, tf.ones([6]), tf.zeros([6]), tf.ones([6]), tf.zeros([6]), filled([6, 4], 23)];
  const variables = made.map((initial) => tf.variable(initial));
  const [w1, w2, gamma1, beta1, gamma2, beta2, dense] = variables as unknown as [
    tf.Tensor4D,
    tf.Tensor4D,
    ...tf.Tensor1D[],
  ];
  const adam = tf.train.adam(0.01);
  const step = ({ photos, targets }: Tensors): { loss: tf.Tensor; variance: tf.Tensor } => {
    let variance!: tf.Tensor;
    const { value: loss, grads } = tf.variableGrads(() => {
      const first = batchNormTraining(tf.conv2d(photos as tf.Tensor4D, w1, 2, 1, 'NCHW'), gamma1, beta1);
      const x = tf.relu<tf.Tensor4D>(first.y);
      const second = batchNormTraining(tf.conv2d(x, w2, 1, 'same', 'NCHW'), gamma2, beta2);
      variance = tf.keep(tf.clone(second.variance));
      const y = tf.relu(tf.add<tf.Tensor4D>(second.y, x));
      const logits = tf.matMul(tf.mean<tf.Tensor2D>(y, [2, 3]), dense as unknown as tf.Tensor2D);
      return tf.mean<tf.Scalar>(tf.square(tf.sub(logits, targets)));
    });
    adam.applyGradients(grads as Record<string, tf.Variable>);
    return { loss, variance };
  };
  return { step, variables };
}

describe('training a small convolutional network', () => {
  const batchOf = (size: number, seed: number) => ({
    photos: filled([size, 3, 9, 8], seed),
    targets: filled([size, 4], seed + 50),
  });

  /** Five steps with batches of several sizes. */
  async function train(compiled: boolean) {
    const { step, variables } = smallNetwork();
    const run = compiled ? compile(step) : undefined;
    const losses: number[] = [];
    for (const [i, size] of [4, 4, 3, 4, 3].entries()) {
      const batch = batchOf(size, i);
      const { loss, variance } = run ? await run(batch) : tf.tidy(() => step(batch));
      losses.push(loss.dataSync()[0], ...variance.dataSync());
      tf.dispose([loss, variance, batch]);
    }
    const graphs = run?.graphs;
    run?.dispose();
    return { losses, weights: variables.flatMap((v) => Array.from(v.dataSync())), graphs };
  }

  it('five compiled steps of Adam match plain JavaScript; each batch size has its graph', async () => {
    await useBackend('cpu');
    const expected = await train(false);
    await useBackend('onnx');
    const actual = await train(true);
    expect(actual.graphs).to.equal(2);
    for (const name of ['losses', 'weights'] as const) {
      actual[name].forEach((x, i) => {
        expect(x, `${name} ${i}`).to.be.closeTo(expected[name][i], 2e-4);
      });
    }
    expect(actual.losses[0]).to.be.greaterThan(0);
  });
});
