import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { captionKey } from '../../lib/captioner/caption-file.js';
import { Captioner, type Caption } from '../../lib/captioner/captioner.js';
import type { PhotoViews } from '../../lib/config.js';
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { openFeatures, readMeta } from '../../lib/data/features/store.js';
import type { Manifest } from '../../lib/data/datasets/manifest.js';
import { mergeFeatures } from '../../lib/data/features/merge.js';
import { photoFeatures } from '../../lib/data/features/photo-features.js';
import { loadDecoder } from '../../lib/search/ensemble.js';
import { CaptionerError } from '../../lib/errors.js';
import { evaluateCaptioner } from '../../lib/evaluate/evaluation.js';
import { explainPhoto } from '../../lib/captioner/explain.js';
import { exportCheckpoint } from '../../lib/publish/export.js';
import { checkEncoder, loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Encoder } from '../../lib/model/encoder/encoder.js';
import { trainCaptioner } from '../../lib/train/decoder/captioner-training.js';
import { finetuneCaptioner } from '../../lib/train/finetune/finetuning.js';
import { reinforceCaptioner } from '../../lib/train/reinforce/reinforcement.js';
import { stripedPhotos } from '../fixtures/striped-photos.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';
import { smallDecoder } from '../fixtures/two-scenes.js';
import { resnetLike } from '../model/encoder/networks.js';
import { tinyService } from '../serve/tiny-service.js';

const all = ['one', 'mirror', 'crops'] as const;

async function refusal(doing: () => Promise<unknown>): Promise<string> {
  const error = await doing().then(
    () => expect.fail('it was not refused'),
    (e: unknown) => e,
  );
  expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'mismatch');
  return (error as Error).message;
}

describe('views of photos, from extraction to captions', function () {
  this.timeout(120_000).slow(20_000);
  let scratch: string;
  let manifest: Manifest;
  const at = (...names: string[]) => path.join(scratch, ...names);
  const decoder = { ...smallDecoder, featureDropout: 0, inputDropout: 0, outputDropout: 0 };
  const training = { epochs: 8, batchSize: 8, learningRate: 0.03, patience: 0 };
  const files = () => manifest.photos.map(({ file }) => file);

  async function extract(folder: string, views: PhotoViews, photos = manifest.photos): Promise<void> {
    const encoder = await Encoder.load(at('cnn.onnx'), { views });
    try {
      await extractFeatures({ manifest: { photos }, encoder, folder: at(folder), config: { views } });
    } finally {
      await encoder.release();
    }
  }
  const train = (views: PhotoViews, change: { resume?: boolean; out?: string; epochs?: number } = {}) => {
    const features = openFeatures(at(views));
    const { resume = false, out = `run-${views}`, epochs = training.epochs } = change;
    const given = { manifest, features, out: at(out), resume };
    return trainCaptioner({
      ...given,
      ...(!resume && { decoder, vocabulary: { minCount: 1 } }),
      training: resume ? { epochs } : { ...training, epochs },
    }).finally(() => {
      features.close();
    });
  };

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    fs.mkdirSync(at('photos'));
    manifest = await stripedPhotos(at('photos'));
    fs.writeFileSync(at('cnn.onnx'), resnetLike({ size: 16 }));
    for (const views of all) await extract(views, views);
    await train('mirror');
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  it('are recorded in stores and checkpoints; a single view is not', () => {
    const { encoder } = readMeta(at('one'));
    expect(Object.keys(encoder)).to.deep.equal(['name', 'sha256', 'dimension']);
    for (const views of ['mirror', 'crops'] as const) {
      expect(readMeta(at(views)).encoder).to.deep.equal({ ...encoder, views });
      const store = openFeatures(at(views));
      expect(store.encoder.views).to.equal(views);
      store.close();
    }
    expect(loadCheckpoint(at('run-mirror')).config.encoder).to.deep.equal({ ...encoder, views: 'mirror' });
    expect(fs.readFileSync(at('run-mirror', 'best', 'README.md'), 'utf8')).to.contain(
      'the mean over 2 views of each photo (`mirror`)',
    );
  });

  it('give different features, which are the same in a store and in memory', async () => {
    const rows = new Map(all.map((views) => [views, openFeatures(at(views))]));
    for (const views of all) {
      const encoder = await Encoder.load(at('cnn.onnx'), { views });
      const memory = await photoFeatures(manifest.photos, encoder);
      await encoder.release();
      expect(memory.encoder).to.deep.equal(rows.get(views)!.encoder);
      for (const { id } of manifest.photos) {
        const stored = rows.get(views)!.read(id);
        memory.read(id).forEach((value, d) => expect(value).to.be.closeTo(stored[d], 1e-5));
        for (const other of all) if (other !== views) expect(rows.get(other)!.read(id)).not.to.deep.equal(stored);
      }
    }
    for (const store of rows.values()) store.close();
  });

  it('are the views of a photo that a captioner trained on them takes', async () => {
    for (const views of ['mirror', 'crops'] as const) {
      if (views === 'crops') await train(views);
      const captioner = await Captioner.load(at(`run-${views}`), { encoder: at('cnn.onnx') });
      const features = openFeatures(at(views));
      const stored: Caption[] = [];
      for await (const { captions } of captioner.captionsOfFeatures(features)) stored.push(captions[0]);
      const seen = (await captioner.caption(files())).map(({ captions }) => captions[0]);
      expect(seen.map(({ caption }) => caption)).to.deep.equal(stored.map(({ caption }) => caption));
      expect(new Set(seen.map(({ caption }) => caption)).size).to.be.above(1);
      seen.forEach(({ logProbability }, i) => expect(logProbability).to.be.closeTo(stored[i].logProbability, 1e-4));

      // With features of one view their probabilities would be others.
      const single = openFeatures(at('one'));
      const rows = Float32Array.from(manifest.photos.flatMap(({ id }) => [...single.read(id)]));
      const others = await captioner.captionFeatures(rows, manifest.photos.length);
      expect(others.some(([{ logProbability }], i) => Math.abs(logProbability - seen[i].logProbability) > 1e-3)).to.equal(true); // prettier-ignore
      single.close();
      features.close();
      await captioner.release();
    }
  });

  it('must match the features given to a captioner', async () => {
    const checkpoint = loadCheckpoint(at('run-mirror'));
    const captioner = await Captioner.load(at('run-mirror'), { encoder: at('cnn.onnx') });
    for (const views of ['one', 'crops'] as const) {
      const features = openFeatures(at(views));
      const both = `The features have the views '${views}', but the checkpoint was trained with 'mirror'`;
      expect(await refusal(() => captioner.captionsOfFeatures(features).next())).to.contain(both);
      const request = { checkpoint, manifest, features, split: 'dev' as const, beams: [1] };
      expect(await refusal(() => evaluateCaptioner(request)))
        .to.contain(both)
        .and.contain('extract --views mirror');
      const reinforcing = { manifest, features, checkpoint: at('run-mirror'), out: at('none') };
      expect(await refusal(() => reinforceCaptioner(reinforcing))).to.contain(both);
      features.close();
      expect(await refusal(() => train(views, { resume: true, out: 'run-mirror', epochs: 9 }))).to.contain(both);
    }
    await captioner.release();
    const [evaluation] = await evaluateCaptioner({ checkpoint, manifest, features: openFeatures(at('mirror')), split: 'dev', beams: [1] }); // prettier-ignore
    expect(evaluation.scores.CIDEr).to.be.a('number');
    const { state } = await train('mirror', { resume: true, out: 'run-mirror', epochs: 9 });
    expect(state.epoch).to.equal(9);
  });

  it('are `one` in stores and checkpoints of earlier versions', () => {
    const old = { name: 'cnn', sha256: 'a'.repeat(64), dimension: 6 };
    const config = { ...loadCheckpoint(at('run-mirror')).config, encoder: old };
    checkEncoder(config, { ...old, views: 'one' }, 'These');
    checkEncoder({ ...config, encoder: { ...old, views: 'one' } }, old, 'These');
    expect(() => {
      checkEncoder(config, { ...old, views: 'crops' }, 'These');
    })
      .to.throw(CaptionerError, /These have the views 'crops', but the checkpoint was trained with 'one'/)
      .with.property('code', 'mismatch');
  });

  it('cannot be mixed in a store, a merge or an ensemble', async () => {
    const before = fs.readFileSync(at('one', 'features.bin'));
    expect(await refusal(() => extract('one', 'mirror'))).to.contain('have encoder.views one, not mirror');
    expect(await refusal(() => extract('crops', 'one'))).to.contain('have encoder.views crops, not one');
    expect(fs.readFileSync(at('one', 'features.bin')).equals(before)).to.equal(true);
    const sources = [at('one'), at('mirror')];
    expect(await refusal(() => mergeFeatures({ sources, folder: at('merged') })))
      .to.contain(`${at('mirror')} have encoder.views mirror`)
      .and.contain(`those in ${at('one')} one`);
    await extract('half', 'mirror', manifest.photos.slice(0, 9));
    await mergeFeatures({ sources: [at('half'), at('mirror')], folder: at('merged') });
    expect(readMeta(at('merged'))).to.deep.equal(readMeta(at('mirror')));

    const checkpoint = loadCheckpoint(at('run-mirror'));
    const { views, ...single } = checkpoint.config.encoder;
    expect(views).to.equal('mirror');
    const other = { ...checkpoint, config: { ...checkpoint.config, encoder: single } };
    expect(await refusal(() => loadDecoder([checkpoint, other]))).to.contain(
      "one checkpoint has 'mirror', another 'one'",
    );
  });

  it('must match the views that the encoder was loaded for', async () => {
    const encoder = await Encoder.load(at('cnn.onnx'));
    const request = { manifest, encoder, folder: at('never'), config: { views: 'mirror' as const } };
    expect(await refusal(() => extractFeatures(request))).to.contain("loaded for 'one'. Load it with views: 'mirror'");
    expect(fs.existsSync(at('never'))).to.equal(false);
    await encoder.release();
  });

  it('are kept by fine-tuning and export', async () => {
    const { best, config } = await finetuneCaptioner({
      ...{ manifest, checkpoint: at('run-mirror'), encoder: at('cnn.onnx'), out: at('tuned') },
      config: { epochs: 1, photosPerBatch: 4, learningRate: 0.01, warmupSteps: 0 },
    });
    expect(config.encoder.views).to.equal('mirror');
    await exportCheckpoint(best, at('small'), { storage: 'fp16' });
    expect(loadCheckpoint(at('small')).config.encoder.views).to.equal('mirror');

    // The scores of the run are those of features of its encoder: of the same views.
    const encoder = await Encoder.load(path.join(best, 'encoder.onnx'), { views: 'mirror' });
    const dev = await photoFeatures(manifest.photos.filter(({ split }) => split === 'dev'), encoder); // prettier-ignore
    await encoder.release();
    const checkpoint = loadCheckpoint(best);
    const [{ scores }] = await evaluateCaptioner({ checkpoint, manifest, features: dev, split: 'dev', beams: [3] });
    expect(scores.CIDEr).to.be.closeTo(checkpoint.config.scores.CIDEr, 1e-6);
  });
});

describe('a checkpoint of several views', function () {
  this.timeout(120_000).slow(20_000);
  let folder: string;
  const captioners = new Map<PhotoViews, Captioner>();
  let photo: Buffer;
  const at = (views: PhotoViews) => path.join(folder, views);

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    photo = await colouredPhoto([200, 90, 40], { width: 20, height: 20 });
    for (const views of all) {
      await saveTinyCaptioner(at(views), 3, views);
      captioners.set(views, await Captioner.load(at(views)));
    }
  });
  after(async () => {
    for (const captioner of captioners.values()) await captioner.release();
    fs.rmSync(folder, { recursive: true });
  });

  const captionBy = async (views: PhotoViews) => {
    const [{ captions }] = await captioners.get(views)!.caption([{ file: 'photo', bytes: photo }]);
    return captions[0];
  };

  it('explains the caption that it writes', async () => {
    const probabilities = new Set<number>();
    for (const views of all) {
      const caption = await captionBy(views);
      const { captions, occlusion } = await explainPhoto(captioners.get(views)!, photo, {}, { grid: 3 });
      expect(captions[0]).to.deep.equal(caption);
      expect(occlusion.drops).to.have.length(caption.words.length + 1);
      probabilities.add(caption.probability);
    }
    expect(probabilities.size, 'each sees something else').to.equal(3);
  });

  it('has its own key in caption files', () => {
    expect(new Set(all.map((views) => captionKey(at(views)))).size).to.equal(3);
  });

  it('gives the same captions in the service', async () => {
    for (const views of ['one', 'mirror', 'crops'] as const) {
      const service = await tinyService({}, { checkpoint: at(views) });
      try {
        await service.ready();
        const request = { method: 'POST' as const, url: '/caption', headers: { 'content-type': 'image/jpeg' } };
        const reply = await service.server.inject({ ...request, payload: photo });
        const { captions } = JSON.parse(reply.payload) as { captions: { caption: string; logProbability: number }[] };
        const { caption, logProbability } = await captionBy(views);
        expect(captions[0].caption).to.equal(caption);
        expect(captions[0].logProbability).to.be.closeTo(logProbability, 1e-6);
      } finally {
        await service.close();
      }
    }
  });
});
