import { expect } from 'chai';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Captioner } from '../../lib/captioner/captioner.js';
import { CaptionerError } from '../../lib/errors.js';
import { exportCheckpoint } from '../../lib/publish/export.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('exportCheckpoint', () => {
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);

  beforeEach(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    await saveTinyCaptioner(at('tiny'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  async function caption(folder: string): Promise<string> {
    const captioner = await Captioner.load(folder);
    const bytes = await colouredPhoto([200, 40, 40]);
    const [{ captions, error }] = await captioner.caption([{ file: 'red', bytes }]);
    await captioner.release();
    if (error) throw error;
    return captions[0].caption;
  }

  it('includes the encoder in half precision, and captions as before without any other file', async () => {
    await exportCheckpoint(at('tiny'), at('small'), { storage: 'fp16', about: 'Knows colours only.' });
    expect(await caption(at('small'))).to.equal(await caption(at('tiny')));
    const encoder = fs.readFileSync(at('small', 'encoder.onnx'));
    expect(loadCheckpoint(at('small')).config.encoder.sha256).to.equal(
      createHash('sha256').update(encoder).digest('hex'),
    );
    expect(fs.readFileSync(at('small', 'README.md'), 'utf8')).to.include('Knows colours only.');
  });

  it('writes both networks in 8 bits, at about a byte for each weight, and captions nearly as before', async () => {
    await exportCheckpoint('checkpoints/default', at('small'), { storage: 'int8' });
    const bytes = (name: string) => fs.statSync(at('small', name)).size;
    const [{ weights }, original] = [loadCheckpoint(at('small')), loadCheckpoint('checkpoints/default')];
    const parameters = [...weights.values()].reduce((sum, { data }) => sum + data.length, 0);
    expect(bytes('decoder.safetensors')).to.be.within(parameters, 1.1 * parameters);
    expect(bytes('encoder.onnx')).to.be.lessThan(0.55 * fs.statSync('checkpoints/default/encoder.onnx').size);
    for (const [name, { data }] of original.weights) {
      const greatest = data.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
      const rounded = weights.get(name)!.data;
      expect(
        data.every((x, i) => Math.abs(x - rounded[i]) <= greatest / 200),
        name,
      ).to.equal(true);
    }
    const captioned = async (folder: string) => {
      const captioner = await Captioner.load(folder);
      const photos = fs.readdirSync('data/samples').filter((name) => name.endsWith('.jpg'));
      const found = await captioner.caption(photos.map((name) => `data/samples/${name}`));
      await captioner.release();
      return found.map(({ captions }) => captions[0].caption);
    };
    const [whole, small] = [await captioned('checkpoints/default'), await captioned(at('small'))];
    expect(whole.filter((caption, i) => caption === small[i]).length / whole.length).to.be.at.least(0.7);
  });

  it('includes an encoder from another place', async () => {
    fs.renameSync(at('tiny', 'encoder.onnx'), at('encoder.onnx'));
    const options = { storage: 'fp32', encoder: at('encoder.onnx') } as const;
    await exportCheckpoint(at('tiny'), at('whole'), options);
    expect(fs.readFileSync(at('whole', 'encoder.onnx')).equals(fs.readFileSync(at('encoder.onnx')))).to.equal(true);
    expect(await caption(at('whole'))).to.be.a('string');
  });

  it('warns of an encoder file that it does not find', async () => {
    fs.renameSync(at('tiny', 'encoder.onnx'), at('elsewhere.onnx'));
    const warnings: string[] = [];
    await exportCheckpoint(at('tiny'), at('half'), { storage: 'fp32', warn: (message) => warnings.push(message) });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.contain("'tiny'").and.contain('--encoder');
    const error = await caption(at('half')).catch((e: unknown) => e as CaptionerError);
    expect(error).to.have.property('code', 'not-found');
    expect(error).to.have.property('message').that.contains("'tiny'").and.contains('--encoder');
  });

  it("finds the default model's encoder by its checksum: a run trained on its features captions, and an export includes it", async () => {
    const { encoder } = loadCheckpoint('checkpoints/default').config;
    fs.cpSync('checkpoints/default', at('run'), { recursive: true });
    fs.rmSync(at('run', 'encoder.onnx'));
    expect(await caption(at('run'))).to.equal(await caption('checkpoints/default'));
    const warnings: string[] = [];
    await exportCheckpoint(at('run'), at('whole'), { storage: 'fp32', warn: (message) => warnings.push(message) });
    expect(warnings).to.deep.equal([]);
    expect(loadCheckpoint(at('whole')).config.encoder).to.deep.equal(encoder);
    expect(fs.existsSync(at('whole', 'encoder.onnx'))).to.equal(true);
  });

  it('refuses an encoder that the checkpoint was not trained with', async () => {
    fs.appendFileSync(at('tiny', 'encoder.onnx'), Buffer.from([0x22, 0])); // an empty domain: still a valid file
    const error = await exportCheckpoint(at('tiny'), at('out'), { storage: 'fp16' }).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'mismatch');
    expect(fs.existsSync(at('out'))).to.equal(false);
  });
});
