import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { openFeatures } from '../../../lib/data/features/store.js';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { CaptionerError } from '../../../lib/errors.js';
import { encoderOf, loadCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { readEncoderMetadata } from '../../../lib/model/encoder/encoder-file.js';
import { trainCaptioner } from '../../../lib/train/decoder/captioner-training.js';
import { finetuneCaptioner, type FinetuningOptions } from '../../../lib/train/finetune/finetuning.js';
import { readHistory } from '../../../lib/train/loop/history.js';
import { stripedCaptioner, writeCsv } from '../../fixtures/striped-photos.js';
import { resnetLike } from '../../model/encoder/networks.js';

describe('finetuneCaptioner', () => {
  let scratch: string;
  let manifest: Manifest;
  const at = (...names: string[]) => path.join(scratch, ...names);

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    manifest = await stripedCaptioner(scratch);
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const config = {
    epochs: 20,
    photosPerBatch: 4,
    captionsPerPhoto: 2,
    learningRate: 0.01,
    encoderLearningRate: 0.005,
    warmupSteps: 0,
    patience: 0,
    augment: false,
  };
  const finetune = (out: string, change: Partial<FinetuningOptions> = {}) =>
    finetuneCaptioner({
      ...{ manifest, config, checkpoint: at('first'), encoder: at('cnn.onnx'), out: at(out) },
      ...change,
    });
  const refusal = async (out: string, change: Partial<FinetuningOptions>) => {
    const error = await finetune(out, change).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  };
  const same = (one: string, other: string, file: string) =>
    expect(fs.readFileSync(at(one, file)).equals(fs.readFileSync(at(other, file))), file).to.equal(true);
  const files = ['decoder.safetensors', 'optimizer.safetensors', 'encoder.onnx'].map((name) => `last/${name}`);

  it('refuses captions with almost only unknown words', async () => {
    const photos = manifest.photos.map((photo) => ({ ...photo, captions: ['ein brauner hund läuft'] }));
    const error = await refusal('german', { manifest: { ...manifest, photos } });
    expect(error.code).to.equal('bad-input');
    expect(error.message).to.match(/^100 % of the words .* are unknown \(for example 'ein'\)\. .*captioner train/);
    expect(fs.existsSync(at('german'))).to.equal(false);
  });

  it('learns through the encoder: the loss goes down, and both networks change', async () => {
    let before: Readonly<Record<string, number>> = {};
    const { best, state, config: trained } = await finetune('run', { onStart: (scores) => (before = scores) });
    expect(before.CIDEr).to.be.a('number');
    expect(state.epoch).to.equal(20);
    expect(state.bestScores.CIDEr).to.be.at.least(before.CIDEr);
    const losses = readHistory(at('run', 'history.jsonl')).flatMap((record) =>
      record.type === 'epoch' ? [record.loss] : [],
    );
    expect(losses).to.have.length(20);
    expect(losses.at(-1)).to.be.below(0.7 * losses[0]);

    const first = loadCheckpoint(at('first', 'last'));
    const last = loadCheckpoint(at('run', 'last'));
    expect(last.weights.get('init/kernel')?.data).not.to.deep.equal(first.weights.get('init/kernel')?.data);
    expect(last.weights.get('features/mean')?.data).to.deep.equal(first.weights.get('features/mean')?.data);
    expect(trained.encoder).to.include({ name: 'cnn-tuned', dimension: 6 });
    expect(trained.finetuned?.from.name).to.equal('cnn');
    expect(trained.finetuned?.dataset).to.deep.equal({ name: 'stripes', photos: 16, captions: 48, devPhotos: 6 });
    const bytes = fs.readFileSync(path.join(best, 'encoder.onnx'));
    expect(readEncoderMetadata(bytes, 'encoder.onnx')).to.include({ name: 'cnn-tuned', inputSize: 16, dimension: 6 });
    expect(fs.readFileSync(path.join(best, 'README.md'), 'utf8')).to.match(/Encoder and decoder .* together/);
  });

  it('gives a captioner that works in another process, also on features of its encoder', () => {
    const cli = (...args: string[]) =>
      execFileSync(process.execPath, ['--import', 'tsx', 'cli/main.ts', ...args], { encoding: 'utf8' });
    const { scores, encoder } = loadCheckpoint(at('run', 'best')).config;
    const photos = manifest.photos.filter(({ split }) => split === 'dev');
    const captions = cli('caption', '-q', '--checkpoint', at('run', 'best'), ...photos.map(({ file }) => file));
    photos.forEach((_, i) => expect(captions.split('\n')[i]).to.match(i % 2 ? /png: .*tree/ : /png: .*(log|wall)/));
    expect(cli('info', at('run'))).to.match(/finetuned[^]*photosPerBatch +4/);
    cli('export', '--checkpoint', at('run'), '--out', at('exported'), '--storage', 'fp32');
    expect(cli('caption', '-q', '--checkpoint', at('exported'), ...photos.map(({ file }) => file))).to.equal(captions);
    fs.rmSync(at('exported', 'encoder.onnx'));
    expect(() => encoderOf(at('exported'), loadCheckpoint(at('exported')).config))
      .to.throw(CaptionerError, /There is no .*encoder\.onnx\. The checkpoint is incomplete: copy the whole folder/)
      .with.property('code', 'not-found');

    writeCsv(at('data.csv'), manifest);
    const data = ['-q', '--data', at('data.csv'), '--features', at('tuned')];
    cli('extract', ...data, '--encoder', at('run/best/encoder.onnx'));
    const features = openFeatures(at('tuned'));
    expect(features.encoder).to.deep.equal(encoder);
    features.close();
    const report = cli('evaluate', ...data, '--checkpoint', at('run', 'best'), '--split', 'dev');
    expect(report).to.include((100 * scores.CIDEr).toFixed(1));
  });

  it('ends in the same weights after a stop as without one', async () => {
    const augmented = { ...config, epochs: 3, augment: true };
    await finetune('whole', { config: augmented });
    for (const stopAt of [2, 5]) {
      const controller = new AbortController();
      const onStep = ({ step }: { step: number }) => {
        if (step === stopAt) controller.abort();
      };
      const error = await refusal('stopped', {
        ...{ config: augmented, onStep, signal: controller.signal },
        resume: stopAt > 2,
      });
      expect(error.message).to.match(
        new RegExp(`^Stopped after ${stopAt} of 12 steps.*--resume to continue, or the call with resume: true\\.$`),
      );
    }
    const { state } = await finetune('stopped', { config: augmented, resume: true });
    expect(state.step).to.equal(12);
    for (const file of files) same('whole', 'stopped', file);
    same('whole', 'stopped', 'best/encoder.onnx');
  });

  it('learns the same on ONNX Runtime as in plain JavaScript', async () => {
    const losses = async (backend: 'onnx' | 'cpu') => {
      const seen: number[] = [];
      const onStep = ({ loss }: { loss: number }) => void seen.push(loss);
      await finetune(backend, { config: { ...config, epochs: 2, backend }, onStep });
      return seen;
    };
    const [onnx, cpu] = [await losses('onnx'), await losses('cpu')];
    expect(onnx).to.have.length(8);
    onnx.forEach((loss, i) => expect(loss).to.be.closeTo(cpu[i], 1e-4 * cpu[i]));
  });

  it('trains only the last layers of the encoder on request', async () => {
    const error = await refusal('layers', { config: { ...config, trainableLayers: 2 } });
    expect(error).to.include({ code: 'bad-option' });
    expect(error.message).to.match(/has 1 layer: 2 can't be trained/);
  });

  it('leaves out damaged and missing photos, and reports them', async () => {
    fs.mkdirSync(at('copies'));
    const copy = {
      ...manifest,
      photos: manifest.photos.map((photo) => ({ ...photo, file: at('copies', photo.id) })),
    };
    for (const { id, file } of manifest.photos) if (id !== '4.png') fs.copyFileSync(file, at('copies', id));
    for (const id of ['3.png', '17.png']) {
      fs.writeFileSync(at('copies', id), fs.readFileSync(at('photos', id)).subarray(0, 300));
    }
    const warnings: string[] = [];
    const { numTensors } = tf.memory();
    const { state, config: trained } = await finetune('damaged', {
      ...{ manifest: copy, config: { ...config, epochs: 2 }, warn: (line) => void warnings.push(line) },
    });
    expect(trained.finetuned?.dataset.photos).to.equal(15);
    expect(state.epoch).to.equal(2);
    expect(tf.memory().numTensors, 'tensors left behind').to.equal(numTensors);
    expect(warnings).to.have.length(3);
    expect(warnings[0]).to.match(/^1 photo without a file is left out \(4\.png\)\.$/);
    expect(warnings[1]).to.match(/17\.png is damaged or cut short .* It is left out\.$/);
    expect(warnings[2]).to.match(/3\.png is damaged or cut short .* It is left out\.$/);
  });

  it('refuses mismatched options and checkpoints', async () => {
    fs.writeFileSync(at('other.onnx'), resnetLike({ size: 8 }));
    const other = await refusal('refused', { encoder: at('other.onnx') });
    expect(other).to.include({ code: 'mismatch' });
    expect(other.message).to.match(/trained with 'cnn'/);
    expect(await refusal('refused', { checkpoint: at('nowhere') })).to.include({ code: 'not-found' });
    const elsewhere = {
      ...manifest,
      photos: manifest.photos.map((photo) => ({ ...photo, file: `/nowhere/${photo.id}` })),
    };
    expect((await refusal('refused', { manifest: elsewhere })).message).to.match(/None of the 22 photos of stripes/);
    expect(await refusal('first', { resume: true })).to.include({ code: 'mismatch' });
    const changed = await refusal('stopped', { resume: true, config: { seed: 9 } });
    expect(changed.message).to.match(/has seed 1, not 9/);
    const alone = await trainCaptioner({
      manifest,
      features: openFeatures(at('features')),
      out: at('run'),
      resume: true,
    }).catch((e: unknown) => e);
    expect(alone).to.be.instanceOf(CaptionerError);
    expect((alone as CaptionerError).message).to.match(/captioner finetune/);
  });
});
