import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Float16Array } from '@petamoriken/float16';
import type { CaptionerError } from '../../../lib/errors.js';
import { normalise } from '../../../lib/images/photo.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { imagenet } from '../../../lib/config.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';
import { DataType, decodeModel, encodeModel, type Model } from '../../../lib/onnx/protobuf.js';
import { Random } from '../../../lib/random.js';
import * as networks from './networks.js';
import { channels, int, int64, ints, network, node, value } from './networks.js';

const { InferenceSession, Tensor } = onnxRuntime();

/** Networks as people export them. The oracle is ONNX Runtime on the file as it was exported. */
describe('an encoder made of an exported network', () => {
  const size = 8;
  const photos = (() => {
    const random = new Random(3);
    return Array.from({ length: 3 }, () => Uint8Array.from({ length: 3 * size * size }, () => random.integer(256)));
  })();
  let folder: string;
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => fs.rmSync(folder, { recursive: true }));
  const at = (name: string) => path.join(folder, name);

  /** Values of `name` for each photo, [N, ...], computed from the file itself. */
  async function computed(file: string, name: string, type: number = DataType.float, channelsLast = false) {
    const bytes = fs.readFileSync(file);
    const model = decodeModel(bytes);
    if (!model.graph.output!.some((output) => output.name === name)) {
      model.graph.output = [{ name, type: { tensorType: { elemType: type } } }];
      fs.writeFileSync(`${file}.whole.onnx`, encodeModel(model)); // beside it, as its weights may be
    } else fs.writeFileSync(`${file}.whole.onnx`, bytes);
    const session = await InferenceSession.create(`${file}.whole.onnx`, { logSeverityLevel: 3 });
    const rows: number[][] = [];
    for (const photo of photos) {
      const planes = new Float32Array(3 * size * size);
      normalise(photo, size, imagenet.mean, imagenet.std, planes, 0);
      const pixels = Float32Array.from(planes, (_, i) => planes[(i % 3) * size * size + Math.floor(i / 3)]);
      const input = channelsLast
        ? new Tensor('float32', pixels, [1, size, size, 3])
        : new Tensor('float32', planes, [1, 3, size, size]);
      const { data } = (await session.run({ [session.inputNames[0]]: input }, [name]))[name];
      const floats = type === DataType.float16 ? new Float16Array((data as Uint16Array).slice().buffer) : data;
      rows.push(Array.from(floats as Float32Array));
    }
    return rows;
  }

  async function expectFeatures(file: string, expected: readonly number[][], hasFeatureMap = true): Promise<void> {
    const encoder = await Encoder.load(file);
    expect(encoder).to.include({ dimension: expected[0].length, inputSize: size, hasFeatureMap });
    const features = await encoder.features(photos);
    expect(features).to.have.length(expected.flat().length);
    expected.flat().forEach((number, i) => expect(features[i]).to.be.closeTo(number, 1e-4 + 1e-3 * Math.abs(number)));
    if (hasFeatureMap) expect((await encoder.featureMap(photos)).shape).to.deep.equal([3, channels, 4, 4]);
    await encoder.release();
  }

  /** The same network in half precision, floats in and out. */
  function inHalfPrecision(bytes: Uint8Array): Uint8Array {
    const model = decodeModel(bytes);
    delete model.graph.valueInfo; // it says that `map` is of floats
    for (const tensor of model.graph.initializer ?? []) {
      if (tensor.dataType !== DataType.float) continue;
      const floats = new Float32Array(Uint8Array.from(tensor.rawData!).buffer);
      Object.assign(tensor, {
        dataType: DataType.float16,
        rawData: Uint8Array.from(new Uint8Array(new Float16Array(floats).buffer)),
      });
    }
    const first = model.graph.node![0];
    first.input = ['half', ...first.input!.slice(1)];
    const last = model.graph.node!.at(-1)!;
    last.output = ['halfClasses'];
    model.graph.node = [
      node('Cast', ['photo'], 'half', int('to', DataType.float16)),
      ...model.graph.node!,
      node('Cast', ['halfClasses'], 'classes', int('to', DataType.float)),
    ];
    return encodeModel(model);
  }

  it('has weights of half precision', async () => {
    fs.writeFileSync(at('half.onnx'), inHalfPrecision(networks.resnetLike()));
    await expectFeatures(at('half.onnx'), await computed(at('half.onnx'), 'flat', DataType.float16));
  });

  it('may have its weights in a separate file, which belongs to its identity', async () => {
    const model: Model = decodeModel(networks.resnetLike());
    const parts: Uint8Array[] = [];
    let offset = 0;
    for (const tensor of model.graph.initializer ?? []) {
      const data = tensor.rawData!;
      tensor.externalData = Object.entries({ location: 'weights.bin', offset, length: data.length }).map(
        ([key, entry]) => ({ key, value: String(entry) }),
      );
      tensor.dataLocation = 1;
      delete tensor.rawData;
      parts.push(data);
      offset += data.length;
    }
    fs.writeFileSync(at('large.onnx'), encodeModel(model));
    fs.writeFileSync(at('weights.bin'), Buffer.concat(parts));
    await expectFeatures(at('large.onnx'), await computed(at('large.onnx'), 'flat'));

    const identity = async () => (await Encoder.load(at('large.onnx'))).identity.sha256;
    const failure = () => Encoder.load(at('large.onnx')).catch((error: unknown) => error as CaptionerError);
    const before = await identity();
    fs.writeFileSync(at('weights.bin'), Buffer.concat(parts).fill(1, 0, 2));
    expect(await identity()).not.to.equal(before);
    fs.writeFileSync(at('weights.bin'), Buffer.concat(parts).subarray(1));
    expect(await failure()).to.include({ code: 'corrupt' });
    fs.rmSync(at('weights.bin'));
    expect(await failure())
      .to.include({ code: 'not-found' })
      .and.have.property('message')
      .that.contains(at('weights.bin'));
  });

  it('refuses weights outside its folder', async () => {
    const model: Model = decodeModel(networks.resnetLike());
    const [tensor] = model.graph.initializer!;
    Object.assign(tensor, { dataLocation: 1, externalData: [{ key: 'location', value: '../secret.bin' }] });
    delete tensor.rawData;
    fs.writeFileSync(at('sly.onnx'), encodeModel(model));
    const error = await Encoder.load(at('sly.onnx')).catch((failure: unknown) => failure as CaptionerError);
    expect(error).to.include({ code: 'corrupt' });
  });

  for (const batch of [1, 'N'] as const) {
    it(`accepts photos with colours last, batch ${batch}`, async () => {
      const model = decodeModel(networks.resnetLike());
      model.graph.input = [value('pixels', [batch, size, size, 3])];
      model.graph.node = [
        node('Transpose', ['pixels'], 'photo', ints('perm', [0, 3, 1, 2])),
        ...(model.graph.node ?? []),
      ];
      fs.writeFileSync(at('last.onnx'), encodeModel(model));
      await expectFeatures(at('last.onnx'), await computed(at('last.onnx'), 'flat', DataType.float, true));
    });
  }

  it('has no head: features [N, D] under any name', async () => {
    const tail = [node('GlobalAveragePool', ['map'], 'pooled'), node('Flatten', ['pooled'], 'embedding')];
    const bytes = network({ tail, outputs: [value('embedding', ['N', channels])] });
    fs.writeFileSync(at('headless.onnx'), bytes);
    await expectFeatures(at('headless.onnx'), await computed(at('headless.onnx'), 'embedding'));
  });

  it('has no head: the mean of its tokens [N, T, D]', async () => {
    const tail = [
      node('Reshape', ['map', 'tokenShape'], 'rows'), // [N, D, T]
      node('Transpose', ['rows'], 'tokens', ints('perm', [0, 2, 1])),
    ];
    const weights = [int64('tokenShape', [0, channels, 16])];
    fs.writeFileSync(at('tokens.onnx'), network({ tail, weights, outputs: [value('tokens', ['N', 16, channels])] }));
    const tokens = await computed(at('tokens.onnx'), 'tokens'); // [N][T * D]
    const mean = (row: number[]) =>
      Array.from({ length: channels }, (_, d) => row.filter((_, i) => i % channels === d).reduce((a, b) => a + b) / 16);
    await expectFeatures(at('tokens.onnx'), tokens.map(mean), false);
  });

  it('has no head and no pooling: the mean of its places [N, D, h, w]', async () => {
    const outputs = [value('map', ['N', channels, 4, 4])];
    fs.writeFileSync(at('map.onnx'), network({ tail: [], outputs }));
    const maps = await computed(at('map.onnx'), 'map'); // [N][D * 16]
    const mean = (row: number[]) =>
      Array.from({ length: channels }, (_, d) => row.slice(16 * d, 16 * d + 16).reduce((a, b) => a + b) / 16);
    await expectFeatures(at('map.onnx'), maps.map(mean));
  });
});
