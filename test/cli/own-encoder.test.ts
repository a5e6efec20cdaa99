import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { Captioner } from '../../lib/captioner/captioner.js';
import { openFeatures } from '../../lib/data/features/store.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { colouredPhoto } from '../fixtures/tiny-captioner.js';
import { resnetLike } from '../model/encoder/networks.js';
import { captioner } from './captioner.js';

describe('an encoder file of the user', function () {
  this.timeout(300_000).slow(60_000);
  let folder: string;
  const at = (...names: string[]) => path.join(folder, ...names);
  const words = ['red', 'green', 'blue'];

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    // The name is that of a registered encoder, as names of files often are.
    fs.mkdirSync(at('nets'));
    fs.writeFileSync(at('nets/resnet50.onnx'), resnetLike({ size: 16 }));
    const lines: string[] = [];
    for (let i = 0; i < 24; i++) {
      const colour = [0, 1, 2].map((c) => (c === i % 3 ? 220 : 30)) as [number, number, number];
      fs.writeFileSync(at(`${i}.jpg`), await colouredPhoto(colour, { seed: i }));
      const captions = [`the wall is ${words[i % 3]}`, `a ${words[i % 3]} wall`];
      lines.push(JSON.stringify({ file: `${i}.jpg`, captions, split: i < 18 ? 'train' : 'dev' }));
    }
    fs.writeFileSync(at('data.jsonl'), lines.join('\n'));
    fs.copyFileSync(at('0.jpg'), at('photo.jpg'));
  });
  after(() => fs.rmSync(folder, { recursive: true }));

  const normalisation = ['--encoder-mean', '0.5', '--encoder-std', '0.25,0.25,0.25'];
  const extract = (features: string, ...more: string[]) =>
    captioner(
      'extract',
      '--data',
      at('data.jsonl'),
      '--encoder',
      at('nets/resnet50.onnx'),
      '--features',
      at(features),
      ...more,
    );
  const train = (features: string, out: string, ...more: string[]) =>
    captioner(
      ...['train', '--data', at('data.jsonl'), '--features', at(features), '--out', at(out), '--epochs', '2'],
      ...['--hidden-size', '8', '--embedding-size', '8', '--min-count', '1', ...more],
    );
  const caption = async (checkpoint: string, ...more: string[]) => {
    const { code, stdout, stderr } = await captioner(
      'caption',
      '--json',
      '--checkpoint',
      at(checkpoint),
      ...more,
      at('photo.jpg'),
    );
    return { code, stdout, stderr };
  };

  it('is remembered with its normalisation by features, runs and exports, which caption without it', async () => {
    expect(await extract('features', ...normalisation)).to.include({ code: 0, stderr: '' });
    const store = openFeatures(at('features'));
    expect(store.encoder.normalisation).to.deep.equal({ mean: [0.5, 0.5, 0.5], std: [0.25, 0.25, 0.25] });
    const stored = store.read('0.jpg');
    store.close();

    const trained = await train('features', 'run');
    expect(trained.code, trained.stderr).to.equal(0);
    expect(trained.stderr).not.to.contain("can't caption");
    const run = await Captioner.load(at('run'));
    const features = await (await run.ready()).features([await run.decode(at('photo.jpg'))]);
    for (const [i, feature] of features.entries()) expect(feature).to.be.closeTo(stored[i], 1e-5);
    await run.release();
    const named = await caption('run', '--encoder', at('nets/resnet50.onnx'));
    expect(named.code, named.stderr).to.equal(0);

    fs.renameSync(at('nets'), at('elsewhere'));
    try {
      expect(await caption('run')).to.deep.equal(named);
      expect(await caption('run/last')).to.include({ code: 0 });
      const exported = await captioner(
        'export',
        '--checkpoint',
        at('run'),
        '--out',
        at('exported'),
        '--storage',
        'fp32',
      );
      expect(exported.code, exported.stderr).to.equal(0);
      fs.renameSync(at('run'), at('moved'));
      expect(await caption('exported')).to.deep.equal(named);
      expect(await caption('moved')).to.deep.equal(named);
    } finally {
      fs.renameSync(at('elsewhere'), at('nets'));
    }
  });

  it('with another normalisation makes other features, which stores and checkpoints refuse', async () => {
    const mixed = await extract('features');
    expect(mixed.code).to.equal(1);
    expect(mixed.stderr).to.contain('have encoder.normalisation mean 0.5 0.5 0.5, std 0.25 0.25 0.25, not mean 0.485');
    expect(await extract('usual')).to.include({ code: 0 });
    const evaluated = await captioner(
      ...[
        'evaluate',
        '--data',
        at('data.jsonl'),
        '--split',
        'dev',
        '--features',
        at('usual'),
        '--checkpoint',
        at('moved'),
      ],
    );
    expect(evaluated.code).to.equal(1);
    expect(evaluated.stderr).to.contain('captioner extract --encoder-mean 0.5,0.5,0.5 --encoder-std 0.25,0.25,0.25');
  });

  it('that is gone is asked for by name', async () => {
    fs.renameSync(at('nets'), at('elsewhere'));
    try {
      const trained = await train('features', 'alone');
      expect(trained.code, trained.stderr).to.equal(0);
      expect(trained.stderr).to.contain(`was not found at ${at('nets/resnet50.onnx')}. Name it with --encoder`);
      const lacking = await caption('alone');
      expect(lacking.code).to.equal(1);
      expect(lacking.stderr).to.contain("the encoder file 'resnet50'").and.contain('--encoder');
      expect(await caption('alone', '--encoder', at('elsewhere/resnet50.onnx'))).to.include({ code: 0 });
    } finally {
      fs.renameSync(at('elsewhere'), at('nets'));
    }
    // A run that is resumed after the file has come back takes it along.
    const resumed = await train('features', 'alone', '--resume', '--epochs', '3');
    expect(resumed.code, resumed.stderr).to.equal(0);
    expect(await caption('alone')).to.include({ code: 0 });
  });

  it('is kept in further training', async () => {
    const data = ['--data', at('data.jsonl'), '--checkpoint', at('moved'), '--epochs', '1', '--photos-per-batch', '6'];
    const tuned = await captioner('finetune', ...data, '--out', at('tuned'));
    expect(tuned.code, tuned.stderr).to.equal(0);
    const { encoder, finetuned } = loadCheckpoint(at('tuned/last')).config;
    expect(finetuned?.from.normalisation?.mean).to.deep.equal([0.5, 0.5, 0.5]);
    expect(encoder).not.to.have.property('normalisation');
    expect(await caption('tuned')).to.include({ code: 0 });
    const reinforced = await captioner('reinforce', ...data, '--features', at('features'), '--out', at('reinforced'));
    expect(reinforced.code, reinforced.stderr).to.equal(0);
    expect(await caption('reinforced')).to.include({ code: 0 });
  });
});
