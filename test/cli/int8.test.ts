import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { openFeatures } from '../../lib/data/features/store.js';
import { describeEncoder } from '../../lib/model/encoder/encoder-source.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { captioner } from './captioner.js';

describe('an encoder in 8 bits', function () {
  this.timeout(240_000).slow(30_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const sha256 = (file: string) => describeEncoder(fs.readFileSync(file), file).sha256;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
    fs.mkdirSync(at('photos'));
    for (let i = 0; i < 12; i++) {
      const photo = await colouredPhoto([20 * i, 255 - 20 * i, (97 * i) % 256], { seed: i });
      fs.writeFileSync(at('photos', `${i}.jpg`), photo);
    }
    fs.writeFileSync(at('photos', 'broken.jpg'), 'no photo');
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  it('is added by captioner export, and says how close it is', async () => {
    const int8 = ['--encoder-precision', 'int8', '--calibrate', at('photos')];
    const { code, stdout, stderr } = await captioner(
      'export',
      '--checkpoint',
      at('tiny'),
      '--out',
      at('both'),
      ...int8,
    );
    expect(code, stderr).to.equal(0);
    expect(stdout).to.match(/calibrated on 12 photos; cosine to its features in fp32 (0\.9\d+|1\.0000)\.\n/);
    expect(stderr).to.contain('broken.jpg is left out').and.contain('With about 200');
    const config = JSON.parse(fs.readFileSync(at('both/config.json'), 'utf8')) as {
      encoder: { sha256: string };
      int8Encoder: { sha256: string };
    };
    expect(config.encoder.sha256).to.equal(sha256(at('both/encoder.onnx')));
    expect(config.int8Encoder.sha256).to.equal(sha256(at('both/encoder.int8.onnx')));
  });

  it('captions without the file in fp32', async () => {
    fs.cpSync(at('both'), at('alone'), { recursive: true });
    fs.rmSync(at('alone/encoder.onnx'));
    const caption = (model: string, ...more: string[]) =>
      captioner('caption', at('photos/3.jpg'), '--checkpoint', at(model), '--json', ...more);
    const [fp32, int8] = await Promise.all([caption('both'), caption('alone', '--precision', 'int8')]);
    expect(int8.code, int8.stderr).to.equal(0);
    expect(JSON.parse(int8.stdout)).to.have.nested.property('[0].captions[0].caption').that.is.a('string');
    expect(JSON.parse(fp32.stdout)).to.have.nested.property('[0].captions[0].caption').that.is.a('string');
    expect((await caption('alone')).code, 'in fp32').to.equal(1);
  });

  it('is recorded in its features; a store refuses others', async () => {
    const extract = (features: string, ...more: string[]) =>
      captioner(
        ...[
          'extract',
          '--data',
          at('photos'),
          '--features',
          at(features),
          '--encoder',
          at('both/encoder.onnx'),
          ...more,
        ],
      );
    await extract('fp32');
    await extract('int8', '--precision', 'int8');
    const [a, b] = [openFeatures(at('fp32')), openFeatures(at('int8'))];
    expect(b.encoder).to.deep.equal({ ...a.encoder, int8: sha256(at('both/encoder.int8.onnx')) });
    const [x, y] = [a.read('3.jpg'), b.read('3.jpg')];
    expect(x).to.not.deep.equal(y);
    a.close();
    b.close();

    const more = await extract('int8');
    expect(more.code).to.equal(1);
    expect(more.stderr).to.contain('encoder.int8').and.contain('fp32');
    const merge = (...options: string[]) =>
      captioner('merge', at('fp32'), at('int8'), '--features', at('all'), ...options);
    const refused = await merge();
    expect(refused.code).to.equal(1);
    expect(refused.stderr).to.contain('encoder.int8').and.contain('--mixed-precision');
    expect((await merge('--mixed-precision')).code).to.equal(0);
    const all = openFeatures(at('all'));
    expect(all.encoder.int8).to.equal('mixed');
    all.close();

    const captions = await captioner('caption', '--features', at('int8'), '--checkpoint', at('both'));
    expect(captions.code, captions.stderr).to.equal(0);
  });

  it('is requested in a sentence if it is missing', async () => {
    const none = await captioner(
      ...['extract', '--data', at('photos'), '--features', at('none'), '--precision', 'int8'],
      ...['--encoder', at('tiny/encoder.onnx')],
    );
    expect(none.code).to.equal(1);
    expect(none.stderr).to.match(/^captioner: There is no .*encoder\.int8\.onnx, .*captioner export.*\n$/);
    const unnamed = await captioner(
      'export',
      '--checkpoint',
      at('tiny'),
      '--out',
      at('x'),
      '--encoder-precision',
      'int8',
    );
    expect(unnamed.code).to.equal(1);
    expect(unnamed.stderr).to.contain('--calibrate');
  });

  it('stays in a checkpoint that is exported again, unless the encoder changes', async () => {
    const again = (to: string, ...more: string[]) =>
      captioner('export', '--checkpoint', at('both'), '--out', at(to), ...more);
    expect((await again('same', '--storage', 'fp32')).code).to.equal(0);
    expect(sha256(at('same/encoder.int8.onnx'))).to.equal(sha256(at('both/encoder.int8.onnx')));
    await captioner('export', '--checkpoint', at('tiny'), '--out', at('whole'), '--storage', 'fp32');
    fs.cpSync(at('both/encoder.int8.onnx'), at('whole/encoder.int8.onnx'));
    const file = at('whole/config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
    const int8Encoder = { sha256: sha256(at('both/encoder.int8.onnx')) };
    fs.writeFileSync(file, JSON.stringify({ ...config, int8Encoder }));
    const stale = await captioner('export', '--checkpoint', at('whole'), '--out', at('changed'), '--storage', 'fp32');
    expect(stale.code, stale.stderr).to.equal(0);
    expect(stale.stderr).to.contain('left out').and.contain('--encoder-precision int8');
    expect(fs.existsSync(at('changed/encoder.int8.onnx'))).to.equal(false);
    expect(fs.readFileSync(at('changed/config.json'), 'utf8')).to.not.contain('int8Encoder');
  });

  it('that is lost or of another network is refused', async () => {
    fs.cpSync(at('both'), at('lost'), { recursive: true });
    fs.rmSync(at('lost/encoder.int8.onnx'));
    const caption = (model: string) =>
      captioner('caption', at('photos/3.jpg'), '--checkpoint', at(model), '--precision', 'int8');
    const lost = await caption('lost');
    expect(lost.code).to.equal(1);
    expect(lost.stderr).to.match(/There is no .*encoder\.int8\.onnx/);
    fs.cpSync(at('both/encoder.onnx'), at('lost/encoder.int8.onnx'));
    const other = await caption('lost');
    expect(other.code).to.equal(1);
    expect(other.stderr).to.match(/encoder\.int8\.onnx.*(damaged|another)/);
  });
});
