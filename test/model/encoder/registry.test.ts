import { expect } from 'chai';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { CaptionerError } from '../../../lib/errors.js';
import { Encoder } from '../../../lib/model/encoder/encoder.js';
import { encoders, encoderSource, isSameNetwork, registeredEncoder } from '../../../lib/model/encoder/registry.js';
import { Random } from '../../../lib/random.js';

const mirror = process.env.CAPTIONER_MIRROR;
const hasMobileNet = mirror !== undefined && fs.existsSync(path.join(mirror, 'models/mobilenetv2-features.onnx'));

describe('the registry of encoders', () => {
  it('has sizes and checksums of every file', () => {
    expect(encoders.map(({ name, dimension }) => [name, dimension])).to.deep.equal([
      ['resnet18', 512],
      ['resnet34', 512],
      ['resnet50', 2048],
      ['resnet101', 2048],
      ['resnet152', 2048],
      ['mobilenetv2', 1280],
    ]);
    for (const { file, featuresFile } of encoders) {
      for (const { bytes, sha256 } of featuresFile ? [file, featuresFile] : [file]) {
        expect(bytes).to.be.above(1e6);
        expect(sha256).to.match(/^[0-9a-f]{64}$/);
      }
      expect(file.url).to.match(/^https:\/\/.*\/classification\/(resnet|mobilenet)\/model\/[a-z0-9-]+\.onnx$/);
    }
  });

  it('identifies a classifier with its headless form, and with no other network', () => {
    const { file, featuresFile, dimension } = registeredEncoder('mobilenetv2');
    const whole = { name: 'mobilenetv2', sha256: file.sha256, dimension };
    const headless = { ...whole, name: 'mobilenetv2-features', sha256: featuresFile!.sha256 };
    expect(isSameNetwork(whole, headless)).to.be.true;
    expect(isSameNetwork(whole, { ...whole, name: 'renamed' })).to.be.true;
    const resnet = registeredEncoder('resnet18');
    expect(isSameNetwork(whole, { name: 'resnet18', sha256: resnet.file.sha256, dimension })).to.be.false;
    expect(isSameNetwork(whole, { ...whole, sha256: '0'.repeat(64) })).to.be.false;
  });

  it('would download a missing file', () => {
    const options = { cacheFolder: '/nowhere', mirror: '' };
    const resnet18 = registeredEncoder('resnet18');
    expect(encoderSource(resnet18, options)).to.include({ from: 'download', location: resnet18.file.url });
  });

  it('verifies a file before it is used', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const before = process.env.CAPTIONER_MIRROR;
    try {
      process.env.CAPTIONER_MIRROR = folder;
      fs.writeFileSync(path.join(folder, 'mobilenetv2-7.onnx'), 'something else');
      const error = await Encoder.load('mobilenetv2').then(
        () => expect.fail('it was loaded'),
        (e: unknown) => e as CaptionerError,
      );
      expect(error.code).to.equal('corrupt');
      expect(error.message).to.contain('mobilenetv2-7.onnx').and.contain('SHA-256');
    } finally {
      if (before === undefined) delete process.env.CAPTIONER_MIRROR;
      else process.env.CAPTIONER_MIRROR = before;
      fs.rmSync(folder, { recursive: true });
    }
  });
});

describe('MobileNetV2', () => {
  let encoder: Encoder;
  before(async function () {
    if (!hasMobileNet) {
      console.log('    NOT CHECKED: MobileNetV2, which needs CAPTIONER_MIRROR with models/mobilenetv2-features.onnx');
      return this.skip();
    }
    encoder = await Encoder.load('mobilenetv2');
  });
  after(() => encoder?.release());

  const photos = () => {
    const random = new Random(21);
    return [1, 2, 3].map(() => Uint8Array.from({ length: 3 * 224 * 224 }, () => random.integer(256)));
  };

  it('gives 1,280 features, the means of its 7 x 7 map', async () => {
    expect(encoder).to.include({ inputSize: 224, dimension: 1280 });
    const features = await encoder.features(photos());
    const map = await encoder.featureMap(photos());
    expect(map.shape).to.deep.equal([3, 1280, 7, 7]);
    expect(features).to.have.length(3 * 1280);
    for (let i = 0; i < features.length; i++) {
      const mean = map.data.subarray(49 * i, 49 * i + 49).reduce((a, b) => a + b, 0) / 49;
      expect(features[i]).to.be.closeTo(mean, 1e-4);
    }
  });

  it('gives the same for a photo alone and in a batch', async () => {
    const together = await encoder.features(photos());
    const alone = await Promise.all(photos().map((photo) => encoder.features([photo])));
    alone.forEach((row, i) => {
      row.forEach((value, j) => expect(together[1280 * i + j]).to.be.closeTo(value, 1e-5));
    });
  });

  it('is known by its checksum when it is given by path', async () => {
    const byPath = await Encoder.load(path.join(mirror!, 'models/mobilenetv2-features.onnx'), { threads: 1 });
    expect(byPath.identity).to.deep.equal(encoder.identity);
    expect(byPath.identity.name).to.equal('mobilenetv2');
    await byPath.release();
  });
});
