import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decodeModel, encodeModel, type Model } from '../../../lib/onnx/protobuf.js';
import type { CaptionerError } from '../../../lib/errors.js';
import { normalise } from '../../../lib/images/photo.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { imagenet } from '../../../lib/config.js';
import { Random } from '../../../lib/random.js';
import * as networks from './networks.js';
import { channels, float, int, int64, ints, network, node, value } from './networks.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';

const ort = onnxRuntime();

describe('an encoder made of a classifier', () => {
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  const save = (bytes: Uint8Array, name = 'classifier.onnx') => {
    const file = path.join(folder, name);
    fs.writeFileSync(file, bytes);
    return file;
  };

  /** Values inside the whole classifier, one photo after the other. */
  async function inside(bytes: Uint8Array, value: string, photos: readonly Uint8Array[], size = 8): Promise<number[]> {
    const model = decodeModel(bytes);
    model.graph.output = [{ name: value, type: { tensorType: { elemType: 1 } } }];
    const session = await ort.InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
    const values: number[] = [];
    for (const photo of photos) {
      const input = new Float32Array(3 * size * size);
      normalise(photo, size, imagenet.mean, imagenet.std, input, 0);
      const result = await session.run({ photo: new ort.Tensor('float32', input, [1, 3, size, size]) });
      values.push(...(result[value].data as Float32Array));
    }
    return values;
  }

  const photosOf = (count: number, size = 8) => {
    const random = new Random(3);
    return Array.from({ length: count }, () => Uint8Array.from({ length: 3 * size * size }, () => random.integer(256)));
  };

  function expectClose(actual: ArrayLike<number>, expected: readonly number[]): void {
    expect(actual.length).to.equal(expected.length);
    expected.forEach((value, i) => expect(actual[i]).to.be.closeTo(value, 1e-5));
  }

  const fixedReshape = (shape: number[]) => ({
    tail: [
      node('AveragePool', ['map'], 'pooled', ints('kernel_shape', [4, 4])),
      node('Reshape', ['pooled', 'flatShape'], 'flat'),
      node('Gemm', ['flat', 'matrix', 'bias'], 'classes'),
    ],
    weights: [...networks.headWeights, int64('flatShape', shape)],
  });

  const kinds: Record<string, Uint8Array> = {
    'GlobalAveragePool, Flatten, Gemm (ResNet)': networks.resnetLike(),
    'a Reshape to a computed shape, Gemm with transB (MobileNetV2)': networks.mobilenetLike(),
    'ReduceMean, MatMul, Add, Softmax (TensorFlow)': networks.matmulLike(),
    'weights listed as inputs (format version 3)': networks.resnetLike({ irVersion: 3 }),
    'a batch fixed to 1, Flatten': networks.resnetLike({ batch: 1 }),
    'a batch fixed to 1, Reshape to [1, -1]': network({ ...fixedReshape([1, -1]), batch: 1 }),
    'a batch fixed to 1, Reshape to [1, D]': network({ ...fixedReshape([1, channels]), batch: 1 }),
    'a batch that claims to be free, Reshape to [1, D]': network({ ...fixedReshape([1, channels]), batch: 'N' }),
    'means over height, then over width, weights transposed by a node': network({
      tail: [
        node('ReduceMean', ['map'], 'means', ints('axes', [3]), int('keepdims', 0)),
        node('ReduceMean', ['means'], 'flat', ints('axes', [2]), int('keepdims', 0)),
        node('Transpose', ['transposed'], 'matrix', ints('perm', [1, 0])),
        node('MatMul', ['flat', 'matrix'], 'classes'),
      ],
      weights: [
        float(
          'transposed',
          [networks.classes, channels],
          Array.from({ length: 30 }, (_, i) => i / 30),
        ),
      ],
    }),
  };

  for (const [kind, bytes] of Object.entries(kinds)) {
    it(`gives the input of the head, and the map before pooling: ${kind}`, async () => {
      const encoder = await Encoder.load(save(bytes));
      const photos = photosOf(3);
      expect(encoder).to.include({ dimension: channels, inputSize: 8, hasFeatureMap: true });
      expect(encoder.identity.name).to.equal('classifier');
      expect(encoder.identity.sha256).to.match(/^[0-9a-f]{64}$/);
      expectClose(await encoder.features(photos), await inside(bytes, 'flat', photos));
      const map = await encoder.featureMap(photos);
      expect(map.shape).to.deep.equal([3, channels, 4, 4]);
      expectClose(map.data, await inside(bytes, 'map', photos));
      await encoder.release();
    });
  }

  it('gives the same features for single photos as for a hundred at once', async () => {
    const encoder = await Encoder.load(save(networks.resnetLike()), { batchSize: 64 });
    const photos = photosOf(100);
    const together = await encoder.features(photos);
    const alone = await Promise.all(photos.map((photo) => encoder.features([photo])));
    expectClose(
      together,
      alone.flatMap((row) => [...row]),
    );
    expect(await encoder.features([])).to.have.length(0);
    await encoder.release();
  });

  it('falls back to one photo at a time if a network mixes the photos of a batch', async () => {
    const bytes = network({
      tail: [
        node('GlobalAveragePool', ['map'], 'pooled'),
        node('Flatten', ['pooled'], 'rows'),
        // Its photos' features in one row: right only for one photo.
        node('ReduceMean', ['rows'], 'flat', ints('axes', [0]), int('keepdims', 1)),
        node('Gemm', ['flat', 'matrix', 'bias'], 'classes'),
      ],
      weights: networks.headWeights,
      batch: 1,
    });
    const encoder = await Encoder.load(save(bytes));
    const photos = photosOf(3);
    expectClose(await encoder.features(photos), await inside(bytes, 'flat', photos));
    await encoder.release();
  });

  it('has no feature map if nothing is pooled', async () => {
    const bytes = network({
      tail: [node('Flatten', ['map'], 'flat'), node('Gemm', ['flat', 'wide', 'bias'], 'classes')],
      weights: [
        float(
          'wide',
          [channels * 16, 5],
          Array.from({ length: channels * 80 }, () => 1),
        ),
        networks.headWeights[1],
      ],
    });
    const encoder = await Encoder.load(save(bytes));
    expect(encoder).to.include({ dimension: channels * 16, hasFeatureMap: false });
    const error = await failure(encoder.featureMap(photosOf(1)));
    expect(error.code).to.equal('unsupported');
    await encoder.release();
  });

  it('uses a headless network unchanged', async () => {
    const bytes = network({
      tail: [node('GlobalAveragePool', ['map'], 'pooled'), node('Flatten', ['pooled'], 'features')],
      outputs: [value('map', ['N', channels, 4, 4]), value('features', ['N', channels])],
    });
    const encoder = await Encoder.load(save(bytes, 'mine.onnx'));
    expect(encoder).to.include({ dimension: channels, hasFeatureMap: true });
    expectClose(await encoder.features(photosOf(2)), await inside(bytes, 'features', photosOf(2)));
    await encoder.release();
  });

  it('normalises photos with the given mean and standard deviation', async () => {
    const file = save(networks.resnetLike());
    const doubled = { mean: [0, 0, 0], std: [0.5, 0.5, 0.5] } as const;
    const plain = { mean: [0, 0, 0], std: [1, 1, 1] } as const;
    const one = await Encoder.load(file, { normalisation: plain });
    const two = await Encoder.load(file, { normalisation: doubled });
    // The small network is linear up to its Relu: twice the input is twice the output.
    const features = await one.features(photosOf(1));
    expectClose(
      await two.features(photosOf(1)),
      [...features].map((x) => 2 * x),
    );
    await Promise.all([one.release(), two.release()]);
  });

  async function failure(promise: Promise<unknown>): Promise<CaptionerError> {
    return await promise.then(
      () => expect.fail('it did not fail'),
      (error: unknown) => error as CaptionerError,
    );
  }

  it('names the expected head if there is no classifier', async () => {
    const bytes = network({
      tail: [
        node('Conv', ['map', 'pointwise'], 'scores'),
        node('GlobalAveragePool', ['scores'], 'pooled'),
        node('Flatten', ['pooled'], 'classes'),
      ],
      weights: [
        float(
          'pointwise',
          [5, channels, 1, 1],
          Array.from({ length: channels * 5 }, () => 1),
        ),
      ],
    });
    const error = await failure(Encoder.load(save(bytes)));
    expect(error.code).to.equal('unsupported');
    expect(error.message).to.contain('Gemm or MatMul').and.contain('classes comes from a GlobalAveragePool');
  });

  const wrong: Record<string, [Uint8Array, RegExp]> = {
    'four planes': [network({ tail: [], inputs: [value('photo', [1, 4, 8, 8])] }), /\[1, 4, 8, 8\], not \[N, 3/],
    'two inputs': [network({ tail: [], inputs: [value('photo', ['N', 3, 8, 8]), value('mask', [1])] }), /photo, mask/],
    'half precision': [network({ tail: [], inputs: [value('photo', ['N', 3, 8, 8], 10)] }), /float32/],
    'a fixed batch of 4': [networks.resnetLike({ batch: 4 }), /4 photos/],
    'no square': [network({ tail: [], inputs: [value('photo', ['N', 3, 8, 12])] }), /12 x 8/],
  };
  for (const [what, [bytes, message]] of Object.entries(wrong)) {
    it(`refuses a network with ${what}`, async () => {
      const error = await failure(Encoder.load(save(bytes)));
      expect(error).to.include({ name: 'CaptionerError', code: 'unsupported' });
      expect(error.message).to.match(message).and.contain('classifier.onnx');
    });
  }

  it('names a damaged file', async () => {
    const whole = networks.resnetLike();
    const garbage = Uint8Array.from({ length: 500 }, (_, i) => (i * 37) % 251);
    for (const bytes of [whole.subarray(0, whole.length / 2), new Uint8Array(0), garbage]) {
      const error = await failure(Encoder.load(save(bytes)));
      expect(error).to.include({ name: 'CaptionerError', code: 'corrupt' });
      expect(error.message).to.contain('classifier.onnx');
    }
    // A good file of protocol buffers, with an operator that doesn't exist.
    const model: Model = decodeModel(whole);
    model.graph.node![1].opType = 'Rectify';
    expect(await failure(Encoder.load(save(encodeModel(model))))).to.include({ code: 'corrupt' });
  });

  it('reports misspelt names and missing files', async () => {
    const misspelt = await failure(Encoder.load('resnet5'));
    expect(misspelt.code).to.equal('bad-option');
    expect(misspelt.message).to.contain("did you mean 'resnet50'").and.contain('resnet152, mobilenetv2');
    expect(await failure(Encoder.load('nowhere/net.onnx'))).to.include({ code: 'not-found' });
    expect(await failure(Encoder.load(folder))).to.include({ code: 'bad-input' });
  });
});
