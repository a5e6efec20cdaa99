import { expect } from 'chai';
import { CaptionerError } from '../../../lib/errors.js';
import { useBackend } from '../../../lib/backend/index.js';
import { ConvNet } from '../../../lib/model/encoder/convnet.js';
import { exportConvNet } from '../../../lib/model/encoder/export-convnet.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { readEncoderMetadata, writeEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { describeEncoder } from '../../../lib/model/encoder/encoder-source.js';
import { quantizeEncoder } from '../../../lib/model/encoder/quantize-encoder.js';
import { floatConstant } from '../../../lib/onnx/constants.js';
import { GraphReader } from '../../../lib/onnx/graph-reader.js';
import { DataType, decodeModel, encodeModel, type Tensor } from '../../../lib/onnx/protobuf.js';
import { Random } from '../../../lib/random.js';
import { float, matmulLike, mobilenetLike, network, node, resnetLike, value } from './networks.js';
import { bottleneckNetwork, linearNetwork, oneConvolution, residualNetwork } from './quantizable-networks.js';
import { trainableNetworks } from './trainable-networks.js';

describe('quantizeEncoder', () => {
  /** Smooth photos: gradients with some noise. */
  function photos(count: number, size: number, seed = 1): Uint8Array[] {
    const random = new Random(seed);
    return Array.from({ length: count }, () => {
      const [a, b, c] = [random.uniform(), random.uniform(), random.uniform()];
      return Uint8Array.from({ length: 3 * size * size }, (_, i) => {
        const [x, y] = [(Math.floor(i / 3) % size) / size, Math.floor(i / 3 / size) / size];
        return 255 * Math.min(1, Math.abs(a * x + b * y + c * (i % 3) - 0.6 + 0.1 * random.normal()));
      });
    });
  }

  async function converted(bytes: Uint8Array, size: number, options: Parameters<typeof quantizeEncoder>[2] = {}) {
    const source = describeEncoder(bytes, 'net.onnx');
    const { bytes: int8 } = await quantizeEncoder(source, () => Promise.resolve(photos(40, size)), options);
    const [fp32, fast] = await Promise.all([
      Encoder.open(source),
      Encoder.open(describeEncoder(int8, 'net.int8.onnx')),
    ]);
    return { int8, fp32, fast, release: () => Promise.all([fp32.release(), fast.release()]) };
  }

  /** Power of a signal over that of its error, in decibels. */
  function signalToNoise(signal: Float32Array, found: Float32Array): number {
    const mean = signal.reduce((a, b) => a + b, 0) / signal.length;
    const power = signal.reduce((sum, x) => sum + (x - mean) ** 2, 0);
    const noise = signal.reduce((sum, x, i) => sum + (x - found[i]) ** 2, 0);
    return 10 * Math.log10(power / noise);
  }

  const weights = (bytes: Uint8Array, type: number): Tensor[] =>
    decodeModel(bytes).graph.initializer!.filter(({ dataType }) => dataType === type);

  // Numbers whose greatest is four standard deviations have 35 dB when they are rounded to 7 bits; ten such errors leave 25 dB.
  const leastDecibels = 25;
  const cases = {
    'a residual network with batch normalisation and pooling': residualNetwork(),
    'the same in an old version of ONNX': residualNetwork(9),
    'a bottleneck with a depthwise convolution and ReLU6': bottleneckNetwork(),
    'a network that ends in a Gemm': linearNetwork(),
    'a network that ends in a Gemm with a transposed matrix': linearNetwork(true),
    'a classifier as ResNet': resnetLike({ size: 16 }),
    'a classifier as MobileNet': mobilenetLike({ size: 16 }),
    'a classifier that ends in MatMul': matmulLike({ size: 16 }),
  };
  for (const [name, bytes] of Object.entries(cases)) {
    it(`keeps the features of ${name}`, async () => {
      const { fp32, fast, release } = await converted(bytes, 16);
      const unseen = photos(20, 16, 2);
      const [expected, found] = [await fp32.features(unseen), await fast.features(unseen)];
      expect(signalToNoise(expected, found)).to.be.above(leastDecibels);
      expect(found).to.have.length(expected.length);
      await release();
    });
  }

  it('keeps the features of networks of every operator that can be trained', async () => {
    const worst: [string, number][] = [];
    for (const [name, bytes] of Object.entries(trainableNetworks)) {
      const size = Number(decodeModel(bytes).graph.input![0].type!.tensorType!.shape!.dim![2].dimValue);
      const { fp32, fast, release } = await converted(bytes, size);
      const unseen = photos(20, size, 2);
      worst.push([name, signalToNoise(await fp32.features(unseen), await fast.features(unseen))]);
      await release();
    }
    expect(worst.length).to.be.above(20);
    expect(worst.filter(([, decibels]) => decibels < 20)).to.deep.equal([]);
  }).timeout(60_000);

  it('keeps the features of a network of captioner distill', async () => {
    await useBackend('onnx');
    const student = new ConvNet({ width: 8, blocks: 2 }, 24, { random: new Random(4) });
    const bytes = exportConvNet(student, 'student', 64);
    student.dispose();
    const { int8, fp32, fast, release } = await converted(bytes, 64);
    const operators = decodeModel(int8).graph.node!.map(({ opType }) => opType);
    expect(operators).to.not.include('Conv').and.not.include('Relu');
    const unseen = photos(20, 64, 2);
    expect(signalToNoise(await fp32.features(unseen), await fast.features(unseen))).to.be.above(leastDecibels);
    await release();
  });

  it('is as exact as its steps: one convolution of bytes', async () => {
    const { int8, fp32, fast, release } = await converted(oneConvolution(), 8);
    const reader = new GraphReader(decodeModel(int8).graph);
    const step = floatConstant(reader, 'map/8bit/scale')!.data[0];
    const scales = floatConstant(reader, 'map/8bit/weight/scale')!.data; // [O], for bytes
    const greatest = 255 * step;
    const [photo] = photos(1, 8, 3);
    const [{ data: expected, shape }, { data: found }] = [
      await fp32.featureMap([photo]),
      await fast.featureMap([photo]),
    ];
    const [, O, h, w] = shape;
    for (let o = 0; o < O; o++) {
      // 27 weights, each off by at most half a step, times bytes of at most 255 from the zero point, and as much again for their mean.
      const ofWeights = 27 * (scales[o] / 2) * 255 * 2;
      for (let y = 1; y < h; y++) {
        for (let x = 1; x < w; x++) {
          const i = (o * h + y) * w + x;
          expect(Math.abs(found[i] - Math.min(greatest, expected[i]))).to.be.at.most(ofWeights + step / 2 + 1e-5);
        }
      }
    }
    await release();
  });

  it('does not depend on the other photos of a batch', async () => {
    const { fast, release } = await converted(residualNetwork(), 16);
    const all = photos(5, 16, 4);
    const together = await fast.features(all);
    const alone = await Promise.all(all.map((photo) => fast.features([photo])));
    expect([...together]).to.deep.equal(alone.flatMap((row) => [...row]));
    await release();
  });

  it('leaves nodes that are named in floats', async () => {
    const { int8, fp32, fast, release } = await converted(bottleneckNetwork(), 16, { keep: ['c2', 'convolved'] });
    const operators = decodeModel(int8).graph.node!.map(({ opType }) => opType);
    expect(operators.filter((type) => type === 'Conv')).to.have.length(2);
    expect(operators.filter((type) => type === 'QLinearConv')).to.have.length(3);
    const unseen = photos(20, 16, 2);
    expect(signalToNoise(await fp32.features(unseen), await fast.features(unseen))).to.be.above(leastDecibels);
    await release();
  });

  it('fits 16 bits, in which processors without VNNI sum pairs of products', async () => {
    // Weights of one sign and bytes of 255 give the greatest sums.
    const extreme = network({
      size: 16,
      outputs: [value('features', ['N', 6])],
      weights: [float('w', [6, 6, 3, 3], new Array(324).fill(1e3))],
      tail: [
        node('Conv', ['map', 'w'], 'y'),
        node('GlobalAveragePool', ['y'], 'pooled'),
        node('Flatten', ['pooled'], 'features'),
      ],
    });
    const { int8, release } = await converted(extreme, 16);
    const stored = weights(int8, DataType.int8).filter(({ name }) => name!.endsWith('/weight'));
    expect(stored).to.have.length(2);
    const all = stored.flatMap(({ rawData }) => [...new Int8Array(Uint8Array.from(rawData!).buffer)]);
    const greatestPair = 255 * 2 * Math.max(...all.map(Math.abs));
    expect(greatestPair).to.be.within(2 ** 14, 2 ** 15 - 1); // of all bits that fit
    await release();
  });

  it('records its identity: its original network, and the file in 8 bits', async () => {
    const source = describeEncoder(residualNetwork(), 'net.onnx');
    const { int8, fp32, fast, release } = await converted(residualNetwork(), 16);
    expect(readEncoderMetadata(int8, 'net.int8.onnx')!.int8).to.deep.equal({ network: source.sha256, photos: 40 });
    const { sha256 } = describeEncoder(int8, 'net.int8.onnx');
    expect(fast.identity).to.deep.equal({ ...fp32.identity, int8: sha256 });
    await release();
  });

  it('keeps a normalisation that is part of the identity', async () => {
    const normalisation = { mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5] } as const;
    const source = describeEncoder(residualNetwork(), 'net.onnx');
    const { bytes: int8 } = await quantizeEncoder(source, () => Promise.resolve(photos(40, 16)), { normalisation });
    const [fp32, fast] = [
      await Encoder.open(source, { normalisation }),
      await Encoder.open(describeEncoder(int8, 'x')),
    ];
    const unseen = photos(20, 16, 2);
    expect(signalToNoise(await fp32.features(unseen), await fast.features(unseen))).to.be.above(leastDecibels);
    expect(fast.identity.normalisation).to.deep.equal(normalisation);
    await Promise.all([fp32.release(), fast.release()]);
  });

  describe('refuses', () => {
    async function refusal(bytes: Uint8Array, some = photos(2, 16)): Promise<CaptionerError> {
      const error = await Promise.resolve()
        .then(() => quantizeEncoder(describeEncoder(bytes, 'net.onnx'), () => Promise.resolve(some)))
        .then(
          () => undefined,
          (e: unknown) => e,
        );
      expect(error).to.be.instanceOf(CaptionerError);
      return error as CaptionerError;
    }

    it('a file that is cut short', async () => {
      const bytes = residualNetwork();
      expect(await refusal(bytes.subarray(0, bytes.length / 2))).to.have.property('code', 'corrupt');
    });

    it('a network without convolutions', async () => {
      const bytes = encodeModel({
        irVersion: 8,
        opsetImport: [{ domain: '', version: 13 }],
        graph: {
          name: 'means',
          node: [node('GlobalAveragePool', ['photo'], 'pooled'), node('Flatten', ['pooled'], 'features')],
          input: [value('photo', ['N', 3, 16, 16])],
          output: [value('features', ['N', 3])],
        },
      });
      const error = await refusal(bytes);
      expect(error.code).to.equal('unsupported');
      expect(error.message).to.include('net.onnx').and.include('no convolution');
    });

    it('no photos', async () => {
      expect(await refusal(residualNetwork(), [])).to.have.property('code', 'bad-input');
    });

    it('values that are not finite', async () => {
      const bytes = network({
        size: 16,
        outputs: [value('features', ['N', 6])],
        weights: [float('w', [6, 6, 1, 1], new Array(36).fill(3e38))],
        tail: [
          node('Conv', ['map', 'w'], 'y'),
          node('GlobalAveragePool', ['y'], 'pooled'),
          node('Flatten', ['pooled'], 'features'),
        ],
      });
      expect((await refusal(bytes)).message).to.include('not finite');
    });

    it('an old version of ONNX with an operator that has changed since', async () => {
      const bytes = network({
        size: 16,
        opset: 9,
        outputs: [value('features', ['N', 6])],
        tail: [
          node('GlobalAveragePool', ['map'], 'pooled'),
          node('Flatten', ['pooled'], 'flat'),
          node('Softmax', ['flat'], 'features'),
        ],
      });
      const error = await refusal(bytes);
      expect(error.code).to.equal('unsupported');
      expect(error.message).to.include('Softmax').and.include('13');
    });

    it('an encoder that is in 8 bits already', async () => {
      const { bytes: int8 } = await quantizeEncoder(describeEncoder(residualNetwork(), 'net.onnx'), () =>
        Promise.resolve(photos(10, 16)),
      );
      expect((await refusal(int8)).message).to.include('already');
    });

    it('metadata of another encoder', async () => {
      const normalisation = { mean: [0, 0, 0], std: [1, 1, 1] } as {
        mean: [number, number, number];
        std: [number, number, number];
      };
      const odd = writeEncoderMetadata(resnetLike({ size: 16 }), {
        name: 'x',
        inputSize: 16,
        dimension: 9,
        ...normalisation,
      });
      const error = await refusal(odd);
      expect(error.code).to.equal('corrupt');
      expect(error.message).to.include("no output 'features'");
    });
  });
});
