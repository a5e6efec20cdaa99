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

  it('takes the encoder along in half precision, and captions as before with nothing else', async () => {
    await exportCheckpoint(at('tiny'), at('small'), { storage: 'fp16', about: 'Knows colours only.' });
    expect(await caption(at('small'))).to.equal(await caption(at('tiny')));
    const encoder = fs.readFileSync(at('small', 'encoder.onnx'));
    expect(loadCheckpoint(at('small')).config.encoder.sha256).to.equal(
      createHash('sha256').update(encoder).digest('hex'),
    );
    expect(fs.readFileSync(at('small', 'README.md'), 'utf8')).to.include('Knows colours only.');
  });

  it('takes the encoder from elsewhere', async () => {
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

  it('finds the encoder of the default model by its checksum: a run trained on its features captions, and takes it along', async () => {
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
