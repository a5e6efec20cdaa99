import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { chooseModel, shippedModels } from '../../lib/captioner/shipped-models.js';

describe('the choice of a shipped model', () => {
  const environment = { ...process.env };
  let folder: string;
  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    process.env.CAPTIONER_CACHE = path.join(folder, 'cache');
    delete process.env.CAPTIONER_MIRROR;
  });
  afterEach(() => {
    process.env = { ...environment };
    fs.rmSync(folder, { recursive: true });
  });

  it('is the default model if the encoder of the better one is missing, and names the better one', () => {
    const { model, better } = chooseModel();
    expect(model.name).to.equal('default');
    expect(better?.name).to.equal('mobilenetv2');
    expect(better?.encoder.file.bytes).to.equal(14_246_826);
  });

  it('is the better one once its encoder is downloaded, whatever else is in the cache', () => {
    const [{ encoder }] = shippedModels();
    const file = path.join(folder, 'cache', encoder!.file.path);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, 'half a download');
    expect(chooseModel().model.name).to.equal('default');
    fs.truncateSync(file, encoder!.file.bytes);
    expect(chooseModel()).to.deep.equal({ model: shippedModels()[0] });
  });

  it('does not fail on a missing mirror', () => {
    process.env.CAPTIONER_MIRROR = path.join(folder, 'nothing');
    expect(chooseModel().model.name).to.equal('default');
  });

  it('fails without checkpoints', () => {
    expect(() => chooseModel([])).to.throw(/No checkpoint came with this package/);
  });
});
