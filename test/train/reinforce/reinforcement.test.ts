import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { openFeatures, type FeatureStore } from '../../../lib/data/features/store.js';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { CaptionerError } from '../../../lib/errors.js';
import { loadCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { trainCaptioner } from '../../../lib/train/decoder/captioner-training.js';
import { finetuneCaptioner } from '../../../lib/train/finetune/finetuning.js';
import { readHistory } from '../../../lib/train/loop/history.js';
import { reinforceCaptioner, type ReinforcementOptions } from '../../../lib/train/reinforce/reinforcement.js';
import { stripedCaptioner, writeCsv } from '../../fixtures/striped-photos.js';

describe('reinforceCaptioner', () => {
  let scratch: string;
  let manifest: Manifest;
  let features: FeatureStore;
  const at = (...names: string[]) => path.join(scratch, ...names);

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    manifest = await stripedCaptioner(scratch);
    features = openFeatures(at('features'));
  });
  after(() => {
    features.close();
    fs.rmSync(scratch, { recursive: true });
  });

  const config = { epochs: 30, photosPerBatch: 4, samples: 4, learningRate: 0.01, warmupSteps: 0, patience: 0 };
  const reinforce = (out: string, change: Partial<ReinforcementOptions> = {}) =>
    reinforceCaptioner({ ...{ manifest, features, config, checkpoint: at('first'), out: at(out) }, ...change });
  const refusal = async (attempt: Promise<unknown>) => {
    const error = await attempt.catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  };

  it('refuses captions with almost only unknown words', async () => {
    const photos = manifest.photos.map((photo) => ({ ...photo, captions: ['ein brauner hund läuft'] }));
    const error = await refusal(reinforce('german', { manifest: { ...manifest, photos } }));
    expect(error.code).to.equal('bad-input');
    expect(error.message).to.match(/^100 % of the words .* are unknown \(for example 'ein'\)\. .*captioner train/);
    expect(fs.existsSync(at('german'))).to.equal(false);
  });

  it('improves the sampled captions, and those of photos it has not learned from', async () => {
    let before: Readonly<Record<string, number>> = {};
    const { numTensors } = tf.memory();
    const { best, state, config: trained } = await reinforce('run', { onStart: (scores) => (before = scores) });
    expect(tf.memory().numTensors, 'tensors left behind').to.equal(numTensors);
    const rewards = readHistory(at('run', 'history.jsonl')).flatMap((record) =>
      record.type === 'epoch' ? [-record.loss] : [],
    );
    expect(rewards).to.have.length(30);
    expect(rewards.at(-1)).to.be.above(2 * rewards[0]);
    expect(state.bestScores.CIDEr).to.be.above(before.CIDEr);
    expect(trained.reinforced).to.deep.include({
      dataset: { name: 'stripes', photos: 16, captions: 48, devPhotos: 6 },
    });
    const { weights } = loadCheckpoint(best);
    expect(weights.get('features/mean')).to.deep.equal(loadCheckpoint(at('first')).weights.get('features/mean'));
    expect(fs.readFileSync(path.join(best, 'README.md'), 'utf8')).to.match(/learned from the CIDEr-D of its own/);
  });

  it('ends in the same weights after a stop as without one', async () => {
    const short = { ...config, epochs: 2 };
    await reinforce('whole', { config: short });
    for (const stopAt of [2, 5]) {
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }) => {
        if (step === stopAt) controller.abort();
      };
      const change = { config: short, onStep, signal: controller.signal, resume: stopAt > 2 };
      expect((await refusal(reinforce('stopped', change))).message).to.match(
        new RegExp(`^Stopped after ${stopAt} of 8 steps.*--resume to continue, or the call with resume: true\\.$`),
      );
    }
    await reinforce('stopped', { config: short, resume: true });
    for (const file of ['decoder.safetensors', 'optimizer.safetensors']) {
      const [whole, stopped] = ['whole', 'stopped'].map((run) => fs.readFileSync(at(run, 'last', file)));
      expect(whole.equals(stopped), file).to.equal(true);
    }
  });

  it('keeps the encoder of a fine-tuned captioner', async () => {
    const tuning = { epochs: 1, photosPerBatch: 4, warmupSteps: 0, encoderLearningRate: 0.01 };
    const { best } = await finetuneCaptioner({
      ...{ manifest, config: tuning, checkpoint: at('first'), encoder: at('cnn.onnx'), out: at('tuned') },
    });
    writeCsv(at('data.csv'), manifest);
    const cli = (...args: string[]) =>
      execFileSync(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], { encoding: 'utf8' });
    cli(
      'extract',
      '-q',
      '--data',
      at('data.csv'),
      '--encoder',
      path.join(best, 'encoder.onnx'),
      '--features',
      at('tuned-features'),
    );
    const flags = ['--epochs', '1', '--photos-per-batch', '8', '--samples', '2', '--no-dropout', '--json'];
    const data = ['--data', at('data.csv'), '--features', at('tuned-features')];
    const said = cli('reinforce', '-q', ...data, '--checkpoint', at('tuned'), '-o', at('both'), ...flags);
    expect(JSON.parse(said)).to.include({ epochs: 1, steps: 2 });
    const [before, after] = [best, at('both', 'best')].map((run) => fs.readFileSync(path.join(run, 'encoder.onnx')));
    expect(after.equals(before)).to.equal(true);
    expect(cli('caption', '-q', '--checkpoint', at('both'), manifest.photos[0].file)).to.match(/^\w+( \w+)*\n$/);
    expect(cli('info', at('both'))).to.match(/reinforced[^]*samples +2/);
  });

  it('refuses mismatched options and checkpoints', async () => {
    expect(await refusal(reinforce('first', { resume: true }))).to.include({ code: 'mismatch' });
    const changed = await refusal(reinforce('stopped', { resume: true, config: { samples: 3 } }));
    expect(changed.message).to.match(/has samples 4, not 3/);
    expect(await refusal(reinforce('none', { config: { samples: 1 } }))).to.include({ code: 'bad-option' });
    const alone = await refusal(trainCaptioner({ manifest, features, out: at('run'), resume: true }));
    expect(alone.message).to.match(/captioner reinforce/);
    const tuned = await refusal(
      finetuneCaptioner({ manifest, checkpoint: at('run'), encoder: at('cnn.onnx'), out: at('late') }),
    );
    expect(tuned).to.include({ code: 'unsupported' });
  });
});
