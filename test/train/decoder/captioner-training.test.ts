import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import { expect } from 'chai';
import { useBackend } from '../../../lib/backend/index.js';
import { CaptionerError } from '../../../lib/errors.js';
import { evaluateCaptioner } from '../../../lib/evaluate/evaluation.js';
import { loadCheckpoint, saveCheckpoint } from '../../../lib/model/checkpoint/checkpoint.js';
import { registeredEncoder } from '../../../lib/model/encoder/registry.js';
import { trainCaptioner, type CaptionerTrainingOptions } from '../../../lib/train/decoder/captioner-training.js';
import { modelCard } from '../../../lib/publish/card.js';
import { readHistory } from '../../../lib/train/loop/history.js';
import { smallDecoder, smallTraining, twoScenes } from '../../fixtures/two-scenes.js';

describe('trainCaptioner', () => {
  let scratch: string;
  const at = (...names: string[]) => path.join(scratch, ...names);

  beforeEach(() => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  afterEach(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const train = (change: Partial<CaptionerTrainingOptions> = {}) =>
    trainCaptioner({ ...twoScenes(), out: at('run'), decoder: smallDecoder, training: smallTraining, ...change });
  const short = { ...smallTraining, epochs: 1 };
  const refusal = async (change: Partial<CaptionerTrainingOptions>) => {
    const error = await train(change).catch((e: unknown) => e);
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  };

  it('keeps averaged weights as the best, and resumes from the trained ones', async () => {
    const plain = await train({ training: short });
    const averaged = await train({ training: { ...short, averageDecay: 0.9 }, out: at('averaged') });
    const kernel = (folder: string) => loadCheckpoint(folder).weights.get('output/kernel')!.data;
    expect(kernel(at('averaged', 'last'))).to.deep.equal(kernel(at('run', 'last')));
    expect(kernel(averaged.best)).not.to.deep.equal(kernel(plain.best));
    expect(averaged.state.bestScores.loss).to.be.below(Math.log(20));
  });

  it('chooses the best epoch by the dev loss, on request', async () => {
    const seen: { epoch: number; loss: number; CIDEr: number }[] = [];
    // Once every caption is right, CIDEr stays as it is, and its first epoch would be kept; the loss still falls.
    const { state, best } = await train({
      training: { ...smallTraining, epochs: 14, patience: 0, chooseBy: 'loss' },
      onEpoch: ({ epoch, scores: { loss, CIDEr } }) => void seen.push({ epoch, loss, CIDEr }),
    });
    const byLoss = seen.reduce((a, b) => (b.loss < a.loss ? b : a));
    const byCider = seen.reduce((a, b) => (b.CIDEr > a.CIDEr ? b : a));
    expect(byLoss.epoch, 'the two measures must differ for this test').not.to.equal(byCider.epoch);
    expect(state.bestEpoch).to.equal(byLoss.epoch);
    expect(loadCheckpoint(best).config.scores.loss).to.equal(byLoss.loss);
  });

  it('learns to caption photos that it has not seen, and keeps the best', async () => {
    const epochs: number[] = [];
    const { best, state } = await train({
      training: { ...smallTraining, epochs: 12 },
      onEpoch: ({ epoch }) => void epochs.push(epoch),
    });
    expect(epochs).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].slice(0, state.epoch));
    const checkpoint = loadCheckpoint(best);
    const [{ predictions, scores, distinct }] = await evaluateCaptioner({
      checkpoint,
      ...twoScenes(),
      split: 'dev',
      beams: [3],
    });
    expect(distinct).to.equal(2);
    predictions.forEach(({ image_id, caption }) => {
      expect(caption).to.include(Number.parseInt(image_id) % 2 ? 'cats' : 'dog');
    });
    expect(scores.CIDEr).to.be.closeTo(state.bestScores.CIDEr, 1e-9);
    expect(checkpoint.config.scores).to.deep.equal(state.bestScores);
    expect(checkpoint.config.dataset).to.deep.equal({ name: 'two scenes', photos: 20, captions: 60, devPhotos: 6 });
    expect(checkpoint.config.trained.epochs).to.equal(state.bestEpoch);

    const history = readHistory(at('run', 'history.jsonl'));
    const samples = history.flatMap((record) => (record.type === 'samples' ? [record] : []));
    expect(samples.map(({ epoch }) => epoch)).to.deep.equal(epochs);
    for (const { captions } of samples) expect(captions.map(({ image_id }) => image_id)).to.deep.equal(samples[0].captions.map(({ image_id }) => image_id)); // prettier-ignore
    expect(samples[state.bestEpoch - 1].captions).to.deep.equal(
      predictions.map(({ image_id, caption }) => ({ image_id, caption })),
    );
    const losses = history.flatMap((record) => (record.type === 'epoch' ? [record.loss] : []));
    expect(losses.at(-1)).to.be.below(0.5 * losses[0]);
    expect(history.filter(({ type }) => type === 'step')[0]).to.include.keys(
      ...['loss', 'perplexity', 'learningRate', 'gradientNorm', 'tokensPerSecond', 'seconds', 'epoch', 'step'],
    );
    const card = fs.readFileSync(at('run', 'best', 'README.md'), 'utf8');
    expect(card).to.include('20 photos and 60 captions of two scenes').and.to.include('| CIDEr |');
  });

  it('gives the same weights for the same seed, and different ones for another', async () => {
    const bytes = async (out: string, seed: number) => {
      await train({ out: at(out), training: { ...short, seed } });
      return fs.readFileSync(at(out, 'last', 'decoder.safetensors'));
    };
    const [one, two, other] = [await bytes('one', 1), await bytes('two', 1), await bytes('other', 2)];
    expect(one.equals(two)).to.equal(true);
    expect(one.equals(other)).to.equal(false);
  });

  it('learns the same on ONNX Runtime as in plain JavaScript', async () => {
    const losses = async (backend: 'onnx' | 'cpu') => {
      const seen: number[] = [];
      const onStep = ({ loss }: { loss: number }) => void seen.push(loss);
      await train({ out: at(backend), training: { ...smallTraining, epochs: 2, backend }, onStep });
      return seen;
    };
    const [onnx, cpu] = [await losses('onnx'), await losses('cpu')];
    expect(onnx).to.have.length(16);
    onnx.forEach((loss, i) => expect(loss).to.be.closeTo(cpu[i], 1e-4 * cpu[i]));
  });

  const variants: [string, object, object][] = [
    ['GRU, first-token, two layers', { cell: 'gru', conditioning: 'first-token', layers: 2 }, {}],
    ['RNN, one caption', { cell: 'rnn' }, { captions: 'one' }],
    [
      'no dropout, raw features',
      { featureDropout: 0, inputDropout: 0, outputDropout: 0, normalizeFeatures: false },
      {},
    ],
    ['AMSGrad, smoothing, decay', {}, { optimizer: 'amsgrad', labelSmoothing: 0.1, weightDecay: 0.1, clipNorm: 0 }],
    ['captions cut', {}, { maxLength: 2 }],
    ['linear schedule, warm-up, a random caption', {}, { schedule: 'linear', warmupSteps: 3, captions: 'random' }],
  ];
  for (const [what, decoder, training] of variants) {
    it(`runs with ${what}, and its checkpoint captions`, async () => {
      const { best, state } = await train({
        decoder: { ...smallDecoder, ...decoder },
        training: { ...smallTraining, epochs: 2, ...training },
      });
      expect(state.epoch).to.equal(2);
      const request = { checkpoint: loadCheckpoint(best), ...twoScenes(), split: 'dev' as const, beams: [1, 2] };
      const evaluations = await evaluateCaptioner(request);
      expect(evaluations.map(({ beam, predictions }) => [beam, predictions.length])).to.deep.equal([
        [1, 6],
        [2, 6],
      ]);
    });
  }

  for (const embeddings of ['pretrained-frozen', 'pretrained-tuned'] as const) {
    it(`takes word vectors from a file: ${embeddings}`, async () => {
      const known = ['a', 'dog', 'runs', 'two', 'cats', 'sleep', 'brown'];
      const vectors = at('vectors.txt');
      fs.writeFileSync(vectors, known.map((word, i) => `${word} ${i} ${i / 2} 1 -1 0.5\n`).join(''));
      process.env.CAPTIONER_CACHE = at('cache');
      try {
        const { best } = await train({ decoder: { ...smallDecoder, embeddings, vectors }, training: short });
        const { weights, config, vocabulary } = loadCheckpoint(best);
        expect(config.decoder.embeddingSize).to.equal(5);
        const row = (word: string) => {
          const id = vocabulary.id(word);
          return [...weights.get('embedding')!.data.subarray(5 * id, 5 * id + 5)];
        };
        const isDog = (values: number[]) => values.join() === '1,0.5,1,-1,0.5';
        expect(isDog(row('dog'))).to.equal(embeddings === 'pretrained-frozen');
        expect(row('<start>').some((x) => x !== 0)).to.equal(true);
        const again = { ...smallDecoder, embeddings, vectors };
        const { state } = await train({ resume: true, decoder: again, training: { epochs: 2 } });
        expect(state.epoch).to.equal(2);
      } finally {
        delete process.env.CAPTIONER_CACHE;
      }
    });
  }

  it('begins with a trained captioner: its words and weights, on its own features or those of another encoder', async () => {
    const first = await train();
    const scenes = twoScenes();
    const few = {
      ...scenes.manifest,
      photos: scenes.manifest.photos.filter(({ split }, i) => split !== 'train' || i < 6),
    };
    const from = { from: at('run'), manifest: few, decoder: {}, training: { ...short, learningRate: 1e-5 } };
    const { config, state } = await train({ ...from, out: at('more') });
    expect(state.bestScores.CIDEr).to.be.closeTo(first.state.bestScores.CIDEr, 0.3);
    expect(config.decoder).to.deep.equal(first.config.decoder);
    expect(config.from).to.deep.equal({
      encoder: first.config.encoder,
      trained: loadCheckpoint(first.best).config.trained,
      datasets: [first.config.dataset],
    });
    const [before, after] = [first.best, at('more', 'last')].map((folder) => loadCheckpoint(folder));
    expect(after.vocabulary.words).to.deep.equal(before.vocabulary.words);
    expect(after.weights.get('features/mean')!.data).to.deep.equal(before.weights.get('features/mean')!.data);
    const moved = after.weights
      .get('output/kernel')!
      .data.map((x, i) => x - before.weights.get('output/kernel')!.data[i]);
    expect(Math.max(...moved.map(Math.abs))).to.be.within(1e-9, 1e-3);

    // What may be done with a model depends on all that it ever learned from.
    expect(modelCard(config))
      .to.include('from the weights of a captioner of two scenes')
      .and.not.include('non-commercial');
    const fromFlickr = { ...config.from!, datasets: [{ ...config.dataset, name: 'flickr8k' }] };
    expect(modelCard({ ...config, from: fromFlickr })).to.include('non-commercial');

    const encoder = { ...scenes.features.encoder, name: 'another', sha256: 'e'.repeat(64) };
    const features = Object.assign(Object.create(scenes.features) as typeof scenes.features, { encoder });
    const warnings: string[] = [];
    const other = await train({ ...from, features, out: at('other'), warn: (line) => warnings.push(line) });
    expect(warnings).to.have.length(1);
    expect(warnings[0]).to.include('not of another').and.include('it first has to adapt to them');
    expect(other.config.encoder.name).to.equal('another');

    // A registered network has two files, with and without its head: its features are the same.
    const { file, featuresFile } = registeredEncoder('mobilenetv2');
    const whole = { ...scenes.features.encoder, name: 'mobilenetv2', sha256: file.sha256 };
    const registered = loadCheckpoint(first.best);
    const headless = { ...registered.config.encoder, sha256: featuresFile!.sha256 };
    saveCheckpoint(at('headless'), { ...registered, config: { ...registered.config, encoder: headless } });
    const same = Object.assign(Object.create(scenes.features) as typeof scenes.features, { encoder: whole });
    const told: string[] = [];
    await train({ ...from, from: at('headless'), features: same, out: at('same'), warn: (line) => told.push(line) });
    expect(told).to.deep.equal([]);

    // Vectors are for new decoders: one that has learned its words continues without them.
    const checkpoint = loadCheckpoint(first.best);
    const decoder = {
      ...checkpoint.config.decoder,
      embeddings: 'pretrained-frozen' as const,
      vectors: at('no vectors'),
    };
    saveCheckpoint(at('frozen'), { ...checkpoint, config: { ...checkpoint.config, decoder } });
    const gone: string[] = [];
    await train({ ...from, from: at('frozen'), out: at('without'), warn: (line) => gone.push(line) });
    expect(gone.join()).to.include('learned as <unk>').and.include('There is no file');
    const embedding = (folder: string) => loadCheckpoint(folder).weights.get('embedding')!.data;
    expect(embedding(at('without', 'last'))).to.deep.equal(embedding(at('frozen')));

    expect((await refusal({ ...from, out: at('x'), vocabulary: { minCount: 2 } })).code).to.equal('bad-option');
    expect((await refusal({ ...from, out: at('x'), decoder: { hiddenSize: 7 } })).code).to.equal('mismatch');
  });

  it('keeps the epoch with the lowest loss without dev photos', async () => {
    const warnings: string[] = [];
    const { state, best } = await train({ ...twoScenes(20, 0), warn: (line) => void warnings.push(line) });
    expect(warnings).to.deep.equal([
      'There are no dev photos: the epoch with the lowest training loss is kept as the best.',
    ]);
    expect(state.bestEpoch).to.equal(4);
    expect(loadCheckpoint(best).config.scores).to.deep.equal({});
  });

  it('leaves out photos without features, and reports them', async () => {
    const { manifest, features } = twoScenes();
    const warnings: string[] = [];
    const has = (id: string) => id !== '3.jpg';
    const { config } = await train({
      manifest,
      features: { ...features, has },
      training: short,
      warn: (line) => void warnings.push(line),
    });
    expect(config.dataset.photos).to.equal(19);
    expect(warnings[0]).to.equal('1 photo without features is left out (3.jpg).');
  });

  it('refuses unusable data', async () => {
    const { manifest, features } = twoScenes();
    const strangers = await refusal({ features: { ...features, has: () => false } });
    expect(strangers.code).to.equal('mismatch');
    expect(strangers.message).to.match(/do not belong to the data set two scenes: none of its 26 photos/);
    const untrained = { ...manifest, photos: manifest.photos.filter(({ split }) => split === 'dev') };
    expect((await refusal({ manifest: untrained })).message).to.match(/two scenes has no train photos with captions/);
    const broken = {
      ...features,
      read: (id: string, into = new Float32Array(6), offset = 0) => {
        features.read(id, into, offset);
        if (id === '4.jpg') into[offset + 2] = NaN;
        return into;
      },
    };
    const numeric = await refusal({ features: broken });
    expect(numeric.code).to.equal('numeric');
    expect(numeric.message).to.match(/features of 4\.jpg are not all finite numbers/);
  });

  it('stops at a NaN loss, with the last checkpoint kept', async () => {
    const { features } = twoScenes();
    let reads = 0;
    const failing = {
      ...features,
      read: (id: string, into = new Float32Array(6), offset = 0) => {
        features.read(id, into, offset);
        // Photos are read for the statistics, the first epoch, its dev loss and dev captions, and some steps of the second.
        if (++reads > 20 + 60 + 18 + 6 + 30) into[offset] = NaN;
        return into;
      },
    };
    const error = await refusal({ features: failing });
    expect(error.code).to.equal('numeric');
    expect(error.message).to.match(/The last checkpoint is intact/);
    for (const { data } of loadCheckpoint(at('run', 'last')).weights.values()) {
      expect(data.every(Number.isFinite)).to.equal(true);
    }
  });

  it('keeps no tensors: not from step to step, not after the run', async () => {
    await useBackend('onnx');
    const before = tf.memory().numTensors;
    const counts = new Set<number>();
    await train({ onStep: () => void counts.add(tf.memory().numTensors) });
    expect(counts.size, 'as many after every step').to.equal(1);
    expect(tf.memory().numTensors).to.equal(before);
  });
});
