import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { imagenet } from '../../../lib/config.js';
import { writeEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { normalisationOf } from '../../../lib/model/encoder/photo-normalisation.js';
import { decodeModel, encodeModel, type Node, type Tensor } from '../../../lib/onnx/protobuf.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';
import { Random } from '../../../lib/random.js';
import { channels, float, network, node, resnetLike, value } from './networks.js';

const { InferenceSession, Tensor } = onnxRuntime();
const size = 8;

/** A classifier that begins with `nodes`, from the value `raw` to the value `photo`. */
function beginningWith(nodes: Node[], weights: Tensor[] = []): Uint8Array {
  const model = decodeModel(resnetLike());
  model.graph.input = [value('raw', ['N', 3, size, size])];
  model.graph.node = [...nodes, ...model.graph.node!];
  model.graph.initializer = [...weights, ...model.graph.initializer!];
  return encodeModel(model);
}

const perColour = (name: string, values: readonly number[]) => float(name, [1, 3, 1, 1], values);
const means = [123.675, 116.28, 103.53];

describe('the normalisation of photos for an encoder file', () => {
  const random = new Random(3);
  const photos = Array.from({ length: 2 }, () => Uint8Array.from({ length: 3 * size ** 2 }, () => random.integer(256)));
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  const save = (bytes: Uint8Array) => {
    const file = path.join(folder, 'net.onnx');
    fs.writeFileSync(file, bytes);
    return file;
  };

  /** The pooled features that ONNX Runtime computes from pixel values that `prepare` made. */
  async function ownFeatures(bytes: Uint8Array, prepare: (byte: number, colour: number) => number): Promise<number[]> {
    const model = decodeModel(bytes);
    model.graph.output = [{ name: 'flat', type: { tensorType: { elemType: 1 } } }];
    const session = await InferenceSession.create(encodeModel(model), { logSeverityLevel: 3 });
    const planes = photos.flatMap((photo) =>
      [0, 1, 2].flatMap((colour) =>
        Array.from({ length: size ** 2 }, (_, i) => prepare(photo[3 * i + colour], colour)),
      ),
    );
    const feeds = { [session.inputNames[0]]: new Tensor('float32', planes, [photos.length, 3, size, size]) };
    return [...((await session.run(feeds))['flat'].data as Float32Array)];
  }

  /** The identity, features and warnings of an encoder. */
  async function load(bytes: Uint8Array, options?: Parameters<typeof normalisationOf>[0]) {
    const warnings: string[] = [];
    const encoder = await Encoder.load(save(bytes), {
      warn: (line) => warnings.push(line),
      ...(options && { normalisation: normalisationOf(options) }),
    });
    const features = [...(await encoder.features(photos))];
    await encoder.release();
    return { identity: encoder.identity, features, warnings };
  }

  function expectClose(actual: readonly number[], expected: readonly number[]): void {
    expect(actual).to.have.length(expected.length);
    expected.forEach((number, i) => expect(actual[i]).to.be.closeTo(number, 1e-4 * (1 + Math.abs(number))));
  }

  it('is (x / scale - mean) / std, and part of the identity', async () => {
    const bytes = resnetLike();
    for (const { mean, std, scale } of [
      { mean: [0.5], std: [0.5], scale: 255 },
      { mean: [103.9, 116.8, 123.7], std: [1], scale: 1 },
      { mean: [0], std: [1], scale: 127.5 },
    ]) {
      const { identity, features, warnings } = await load(bytes, { mean, std, scale });
      const of = (values: readonly number[], colour: number) => values[colour] ?? values[0];
      expectClose(features, await ownFeatures(bytes, (byte, i) => (byte / scale - of(mean, i)) / of(std, i)));
      expect(identity.normalisation).to.deep.equal(normalisationOf({ mean, std, scale }));
      expect(warnings).to.deep.equal([]);
    }
  });

  it("is ImageNet's by default, which the identity does not mention, however it is written", async () => {
    const { identity } = await load(resnetLike());
    expect(identity).not.to.have.property('normalisation');
    const again = await load(resnetLike(), { mean: means, std: imagenet.std.map((std) => 255 * std), scale: 1 });
    expect(again.identity).to.deep.equal(identity);
    expect(normalisationOf({ ...imagenet, scale: 255 })).to.deep.equal(imagenet);
  });

  it('cannot be given for a file that has its own', async () => {
    const bytes = writeEncoderMetadata(
      network({
        photo: 'input',
        tail: [node('GlobalAveragePool', ['map'], 'pooled'), node('Flatten', ['pooled'], 'features')],
        outputs: [value('features', ['N', channels])],
      }),
      { name: 'own', inputSize: size, mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25], dimension: channels },
    );
    await Encoder.load(save(bytes), { normalisation: normalisationOf({ mean: [0.5], std: [0.25], scale: 255 }) });
    const error = await Encoder.load(save(bytes), {
      normalisation: normalisationOf({ mean: [0], std: [1], scale: 1 }),
    }).then(
      () => expect.fail('it did not fail'),
      (reason: unknown) => reason,
    );
    expect(error).to.include({ code: 'bad-option' }).and.have.property('message').that.contains('net.onnx is known');
  });

  const std = perColour('std', [58.4, 57.1, 57.4]);
  const normalising: Record<string, { nodes: Node[]; weights: Tensor[]; options: string; scale: number }> = {
    'Sub and Div of values from 0 to 255': {
      nodes: [node('Sub', ['raw', 'mean'], 'centred'), node('Div', ['centred', 'std'], 'photo')],
      weights: [perColour('mean', means), std],
      options: '--encoder-mean 0 --encoder-std 1 --encoder-scale 1',
      scale: 1,
    },
    'Mul by 1 / 255, then Sub and Div': {
      nodes: [
        node('Mul', ['raw', 'byte'], 'scaled'),
        node('Sub', ['scaled', 'mean'], 'centred'),
        node('Div', ['centred', 'std'], 'photo'),
      ],
      weights: [float('byte', [], [1 / 255]), perColour('mean', imagenet.mean), perColour('std', imagenet.std)],
      options: '--encoder-mean 0 --encoder-std 1 --encoder-scale 1',
      scale: 1,
    },
    'Mul by 2 and Add of -1': {
      nodes: [node('Mul', ['two', 'raw'], 'doubled'), node('Add', ['doubled', 'minusOne'], 'photo')],
      weights: [float('two', [1], [2]), float('minusOne', [1], [-1])],
      options: '--encoder-mean 0 --encoder-std 1.',
      scale: 255,
    },
    'a BatchNormalization': {
      nodes: [node('BatchNormalization', ['raw', 'gamma', 'beta', 'mean', 'variance'], 'photo')],
      weights: [
        float('gamma', [3], [1, 1, 1]),
        float('beta', [3], [0, 0, 0]),
        float('mean', [3], [0.48, 0.45, 0.4]),
        float('variance', [3], [0.05, 0.05, 0.05]),
      ],
      options: '--encoder-mean 0 --encoder-std 1.',
      scale: 255,
    },
  };
  for (const [kind, { nodes, weights, options, scale }] of Object.entries(normalising)) {
    it(`warns of a network that begins with ${kind}, with the options that give its own features`, async () => {
      const bytes = beginningWith(nodes, weights);
      const { warnings } = await load(bytes);
      expect(warnings).to.have.length(1);
      expect(warnings[0]).to.contain('net.onnx normalises photos itself').and.contain(options);
      const right = await load(bytes, { mean: [0], std: [1], scale });
      expect(right.warnings).to.deep.equal([]);
      expectClose(right.features, await ownFeatures(bytes, (byte) => byte / scale));
    });
  }

  it('does not warn of a network of normalised photos that begins with arithmetic', async () => {
    const batchNorm = [node('BatchNormalization', ['raw', 'gamma', 'beta', 'mean', 'variance'], 'photo')];
    const statistics = [
      float('gamma', [3], [1, 1, 1]),
      float('beta', [3], [0.01, 0, 0]),
      float('mean', [3], [0.03, 0.01, -0.02]),
      float('variance', [3], [1.1, 1, 0.9]),
    ];
    expect((await load(beginningWith(batchNorm, statistics))).warnings).to.deep.equal([]);
    const doubling = [node('Mul', ['raw', 'two'], 'photo')];
    expect((await load(beginningWith(doubling, [float('two', [], [2])]))).warnings).to.deep.equal([]);
    expect((await load(resnetLike())).warnings).to.deep.equal([]);
  });
});
