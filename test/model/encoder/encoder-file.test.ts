import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { decodeModel, encodeModel } from '../../../lib/onnx/protobuf.js';
import type { CaptionerError } from '../../../lib/errors.js';
import { normalise } from '../../../lib/images/photo.js';
import {
  readEncoderMetadata,
  writeEncoderMetadata,
  type EncoderMetadata,
} from '../../../lib/model/encoder/encoder-file.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { Random } from '../../../lib/random.js';
import { channels, network, node, value } from './networks.js';
import { onnxRuntime } from '../../../lib/onnx/runtime.js';

const ort = onnxRuntime();

describe("an encoder's file", () => {
  let folder: string;
  before(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  after(() => fs.rmSync(folder, { recursive: true }));

  const metadata: EncoderMetadata = {
    name: 'größer-tuned',
    inputSize: 8,
    mean: [0.5, 0.25, 0],
    std: [0.5, 2, 1],
    dimension: channels,
    map: true,
  };
  const headless = network({
    tail: [node('GlobalAveragePool', ['map'], 'pooled'), node('Flatten', ['pooled'], 'features')],
    inputs: [value('input', ['N', 3, 8, 8])],
    outputs: [value('features', ['N', channels]), value('map', ['N', channels, 4, 4])],
    photo: 'input',
  });
  const save = (bytes: Uint8Array) => {
    const file = path.join(folder, 'mine.onnx');
    fs.writeFileSync(file, bytes);
    return file;
  };
  const failure = async (bytes: Uint8Array) => {
    const error = await Encoder.load(save(bytes)).catch((e: unknown) => e);
    expect(error).to.include({ name: 'CaptionerError' });
    return error as CaptionerError;
  };

  it('is described by its metadata, next to other metadata, and otherwise unchanged', () => {
    const model = decodeModel(headless);
    model.metadataProps = [{ key: 'author', value: 'someone' }];
    const before = encodeModel(model);
    expect(readEncoderMetadata(before, 'a.onnx')).to.equal(undefined);
    const once = writeEncoderMetadata(before, { ...metadata, name: 'x'.repeat(300) });
    const twice = writeEncoderMetadata(once, metadata);
    expect(readEncoderMetadata(once, 'a.onnx')?.name).to.have.length(300);
    expect(readEncoderMetadata(twice, 'a.onnx')).to.deep.equal(metadata);
    expect(Buffer.from(twice.subarray(0, before.length)).equals(before), 'its bytes').to.equal(true);
    expect(decodeModel(twice).metadataProps?.map(({ key }) => key)).to.deep.equal(['author', 'captioner.encoder']);
  });

  it('is loaded by its metadata: whole, with its name, input size and normalisation', async () => {
    const bytes = writeEncoderMetadata(headless, metadata);
    const encoder = await Encoder.load(save(bytes));
    expect(encoder.identity).to.include({ name: 'größer-tuned', dimension: channels });
    expect(encoder).to.include({ inputSize: 8, hasFeatureMap: true });
    const random = new Random(2);
    const photos = [0, 1, 2].map(() => Uint8Array.from({ length: 192 }, () => random.integer(256)));
    const input = new Float32Array(3 * 192);
    photos.forEach((photo, i) => normalise(photo, 8, metadata.mean, metadata.std, input, i * 192));
    const session = await ort.InferenceSession.create(bytes);
    const expected = await session.run({ input: new ort.Tensor('float32', input, [3, 3, 8, 8]) });
    const close = (actual: Float32Array, output: string) =>
      [...(expected[output].data as Float32Array)].forEach((x, i) => expect(actual[i]).to.be.closeTo(x, 1e-6));
    close(await encoder.features(photos), 'features');
    close((await encoder.featureMap(photos)).data, 'map');
    await encoder.release();
  });

  it('has no feature map unless its metadata declares one', async () => {
    const { map, ...without } = metadata;
    expect(map).to.equal(true);
    const encoder = await Encoder.load(save(writeEncoderMetadata(headless, without)));
    expect(encoder.hasFeatureMap).to.equal(false);
    await encoder.release();
  });

  it('is refused if its metadata is invalid or does not match', async () => {
    const model = decodeModel(headless);
    const saying = (text: string) =>
      encodeModel({ ...model, metadataProps: [{ key: 'captioner.encoder', value: text }] });
    expect(await failure(saying('{"name": "x"'))).to.include({ code: 'corrupt' });
    const wrong = await failure(saying(JSON.stringify({ ...metadata, mean: [1, 2] })));
    expect(wrong).to.include({ code: 'corrupt' });
    expect(wrong.message).to.match(/The metadata of .*mine\.onnx .*mean/);
    model.graph.output = model.graph.output!.filter(({ name }) => name !== 'map');
    const mapless = await failure(writeEncoderMetadata(encodeModel(model), metadata));
    expect(mapless).to.include({ code: 'corrupt' });
    expect(mapless.message).to.match(/no output 'map'/);
  });

  it('that is damaged is named', async () => {
    const bytes = writeEncoderMetadata(headless, metadata);
    for (const length of [0, 1, 20, bytes.length / 2, bytes.length - 3]) {
      expect(await failure(bytes.subarray(0, length)), `${length} bytes`).to.include({ code: 'corrupt' });
    }
  });
});
