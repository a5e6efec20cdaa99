import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { openDataset } from '../../lib/data/datasets/datasets.js';
import { extractFeatures } from '../../lib/data/features/extraction.js';
import { openFeatures } from '../../lib/data/features/store.js';
import { CaptionerError } from '../../lib/errors.js';
import { evaluateCaptioner, type Evaluation } from '../../lib/evaluate/evaluation.js';
import { metricsOf, writeEvaluation } from '../../lib/evaluate/evaluation-files.js';
import { storedCheckpoint, storedSamples } from '../fixtures/stored-samples.js';
import { parsePhotoStatistics, referencesChecksum, statisticsOf } from '../../lib/metrics/photo-statistics.js';
import { scoreNames } from '../../lib/metrics/statistics.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { Encoder } from '../../lib/model/encoder/encoder.js';
import { trainCaptioner } from '../../lib/train/decoder/captioner-training.js';
import { smallDecoder, smallTraining, twoScenes } from '../fixtures/two-scenes.js';

/** The sample photos with the shipped captioner: nothing but this repository is needed. */
describe('evaluateCaptioner, on the sample photos', function () {
  this.timeout(120_000);
  let scratch: string;
  let evaluations: Evaluation[];
  let count: number;
  const samples = async () => {
    const { manifest, features } = await storedSamples();
    const photos = manifest.photos.map((photo) => ({ ...photo, split: 'test' as const }));
    return { manifest: { ...manifest, photos }, features, checkpoint: loadCheckpoint(storedCheckpoint) };
  };

  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const set = await samples();
    count = set.manifest.photos.length;
    evaluations = await evaluateCaptioner({ ...set, split: 'test', beams: [1, 3] });
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  it('gives every score an interval around it', () => {
    for (const { scores, intervals, photos } of evaluations) {
      expect(photos).to.have.length(count);
      for (const name of scoreNames) {
        expect(intervals[name].low, name).to.be.at.most(scores[name]);
        expect(intervals[name].high, name).to.be.at.least(scores[name]);
      }
      const mean = photos.reduce((sum, { scores }) => sum + scores.CIDEr, 0) / count;
      expect(scores.CIDEr).to.be.closeTo(mean, 1e-9);
    }
  });

  it('finds beam captions likelier than greedy ones overall, and references less predictable than its captions', () => {
    const [greedy, beam] = evaluations.map(({ photos }) =>
      photos.reduce((sum, { logProbability, length }) => sum + logProbability / length ** 0.7, 0),
    );
    expect(beam).to.be.above(greedy); // 0.7 is the default penalty, which the beam was ranked by
    const { photos, fit } = evaluations[0];
    const [logProbability, length] = photos.reduce(([p, n], photo) => [p + photo.logProbability, n + photo.length], [0, 0]); // prettier-ignore
    expect(fit.words).to.be.above(35 * count);
    expect(fit.perplexity).to.be.above(Math.exp(-logProbability / length));
    expect(evaluations[1].fit).to.deep.equal(evaluations[0].fit);
  });

  it('measures variety and calibration of the captions', () => {
    const [, { diversity, calibration, checks, distinct }] = evaluations;
    expect(distinct / count).to.be.closeTo(diversity.distinctCaptions, 1e-12);
    expect(diversity.vocabulary).to.be.closeTo(diversity.words / (loadCheckpoint(storedCheckpoint).vocabulary.size - 4), 1e-12); // prettier-ignore
    expect(diversity, 'there are no training captions among the samples').not.to.have.property('novel');
    expect(calibration.perWord.bins).to.have.length(Math.min(10, count));
    expect(checks.map(({ name }) => name)).to.deep.equal([
      'same-caption',
      'shuffled-features',
      'unknown-words',
      'feature-statistics',
    ]);
  });

  it('raises an alarm if the features of photos are mixed up', async () => {
    const { features, ...rest } = await samples();
    const turned = new Map(features.ids.map((id, i) => [id, features.ids[(i + 1) % features.ids.length]]));
    const mixed = {
      ...{ dimension: features.dimension, encoder: features.encoder, precision: features.precision, ids: features.ids },
      randomViews: [],
      has: (id: string) => features.has(id),
      read: (id: string, into?: Float32Array, offset?: number) => features.read(turned.get(id)!, into, offset),
      close: () => undefined,
    };
    const [{ checks, scores }] = await evaluateCaptioner({ ...rest, features: mixed, split: 'test', beams: [3] });
    expect(scores.CIDEr).to.be.below(evaluations[1].scores.CIDEr);
    expect(checks.find(({ name }) => name === 'shuffled-features')).to.include({ alarm: true });
  });

  it('writes files from which the scores can be computed again', async () => {
    const folder = path.join(scratch, 'results');
    await writeEvaluation(folder, evaluations, { split: 'test', config: { any: 'thing' } });
    const read = (name: string) => fs.readFileSync(path.join(folder, name), 'utf8');
    expect(JSON.parse(read('metrics.json'))).to.deep.equal(JSON.parse(JSON.stringify(metricsOf('test', evaluations))));
    expect(JSON.parse(read('predictions.json'))).to.deep.equal(JSON.parse(read('predictions-beam3.json')));
    expect(Object.keys((JSON.parse(read('predictions-beam1.json')) as object[])[0])).to.deep.equal([
      'image_id',
      'caption',
    ]);

    const file = parsePhotoStatistics(read('photos.json'), 'photos.json');
    const [, { photos, scores }] = evaluations;
    const ids = photos.map(({ image_id }) => image_id);
    expect(file).to.include({ split: 'test', beam: 3 });
    expect(statisticsOf(file, ids).corpus()).to.deep.equal(scores);
    expect(statisticsOf(file, [ids[4]]).corpus()).to.deep.equal(photos[4].scores);
    const named = photos.map(({ image_id, references }) => [image_id, references] as const);
    expect(file.references).to.equal(referencesChecksum([...named].reverse()));
    expect(file.references).not.to.equal(referencesChecksum(named.slice(1)));

    for (const text of ['', '{}', read('metrics.json'), read('photos.json').replace('"version":1', '"version":2')]) {
      expect(() => parsePhotoStatistics(text, 'x/photos.json'))
        .to.throw(CaptionerError, 'x/photos.json is damaged')
        .with.property('code', 'corrupt');
    }
  });
});

describe('perplexity of an evaluation', function () {
  this.timeout(120_000);

  it('is the same as in training on the same captions', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    const data = twoScenes();
    const options = { ...data, out: path.join(folder, 'run'), decoder: smallDecoder };
    const { best, state } = await trainCaptioner({ ...options, training: { ...smallTraining, maxLength: 5 } });
    const [{ fit }] = await evaluateCaptioner({ checkpoint: loadCheckpoint(best), ...data, split: 'dev', beams: [1] });
    expect(fit.perplexity).to.be.closeTo(state.bestScores.perplexity, 1e-4 * fit.perplexity);
    expect(fit.words, 'words and ends of 6 photos, the longest captions cut to 5 words').to.equal(3 * (4 + 5 + 5) + 3 * (4 + 5 + 5)); // prettier-ignore
    fs.rmSync(folder, { recursive: true });
  });
});

describe("evaluateCaptioner, on some of Flickr8k's dev photos", function () {
  this.timeout(600_000);
  let scratch: string;

  before(function () {
    if (!process.env.CAPTIONER_MIRROR) {
      console.log(
        '    NOT CHECKED: an evaluation of Flickr8k, which needs CAPTIONER_MIRROR with data/flickr8k and models',
      );
      this.skip();
    }
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
  });
  after(() => {
    if (scratch) fs.rmSync(scratch, { recursive: true });
  });

  it('raises no alarm at a sound captioner, and finds the perplexity that its training found', async () => {
    const all = await openDataset('flickr8k');
    const dev = all.photos.filter(({ split }) => split === 'dev').filter((_, i) => i % 10 === 0);
    const train = all.photos.filter(({ split }) => split === 'train');
    const encoder = await Encoder.load(`${storedCheckpoint}/encoder-layers.safetensors`);
    await extractFeatures({ manifest: { ...all, photos: dev }, encoder, folder: scratch });
    await encoder.release();
    const features = openFeatures(scratch);
    const checkpoint = loadCheckpoint(storedCheckpoint);
    const manifest = { ...all, photos: [...train, ...dev] };
    const [{ scores, intervals, fit, checks, calibration, diversity }] = await evaluateCaptioner({
      ...{ checkpoint, manifest, features, split: 'dev', beams: [3] },
    });
    features.close();
    expect(checks.filter(({ alarm }) => alarm)).to.deep.equal([]);
    expect(checks).to.have.length(4);
    expect(checks.find(({ name }) => name === 'shuffled-features')!.value).to.be.below(0.35);
    // What its 700 dev photos gave when it was trained, half of them everyday photos.
    const trained = checkpoint.config.scores;
    expect(fit.perplexity).to.be.closeTo(trained.perplexity, 0.2 * trained.perplexity);
    expect(fit.unknown).to.be.within(0.01, 0.07);
    expect(scores['BLEU-1']).to.be.closeTo(trained['BLEU-1'], 0.06);
    expect(intervals['BLEU-1'].low).to.be.below(scores['BLEU-1']);
    expect(intervals['BLEU-1'].high).to.be.above(scores['BLEU-1']);
    expect(scores.CIDEr).to.be.within(0.25, 0.9); // of 100 photos, among which other n-grams are rare
    expect(calibration.perWord.spearman).to.be.within(0.1, 0.8);
    expect(diversity.novel).to.be.within(0.5, 1);
  });
});
