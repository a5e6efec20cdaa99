import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { captionRecord } from '../../lib/captioner/caption-file.js';
import { Captioner } from '../../lib/captioner/captioner.js';
import { CaptionerError } from '../../lib/errors.js';
import { calibrateConfidence } from '../../lib/evaluate/calibrate.js';
import { evaluateCaptioner } from '../../lib/evaluate/evaluation.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';
import { captioner as command } from '../cli/captioner.js';
import { channels } from '../model/encoder/networks.js';
import { randomFeatures } from '../fixtures/random-features.js';
import { colouredPhoto, saveTinyCaptioner } from '../fixtures/tiny-captioner.js';

describe('calibrateConfidence', function () {
  this.timeout(120_000).slow(20_000);
  let scratch: string;
  let folder: string;
  before(async () => {
    scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'));
    folder = path.join(scratch, 'tiny');
    await saveTinyCaptioner(folder);
  });
  after(() => {
    fs.rmSync(scratch, { recursive: true });
  });

  const ids = Array.from({ length: 120 }, (_, i) => `${i}.jpg`);

  /** Dev photos: the captions of which `isGood` are what the captioner writes, the others are about something else. */
  async function request(isGood: (logProbabilityPerWord: number, i: number) => boolean, photos = ids) {
    const { encoder } = loadCheckpoint(folder).config;
    const features = { ...randomFeatures(photos, channels), encoder };
    const captioner = await Captioner.load(folder);
    const rows = new Float32Array(photos.length * channels);
    photos.forEach((id, i) => features.read(id, rows, i * channels));
    const found = await captioner.captionFeatures(rows, photos.length);
    await captioner.release();
    const captioned = photos.map((id, i) => {
      const [{ caption, logProbability, words }] = found[i];
      const captions = [isGood(logProbability / (words.length + 1), i) ? caption : `stone number ${i} grows`];
      return { id, file: id, captions, split: 'dev' as const };
    });
    return { folder, manifest: { name: 'tiny', photos: captioned, problems: [] }, features };
  }

  it('makes confidence the probability that a caption is good, which the checkpoint keeps', async () => {
    const before = loadCheckpoint(folder);
    const median = -1.6;
    const asked = await request((logProbability, i) => logProbability > median !== (i % 5 === 0)); // a fifth is noise
    const { weights, fit } = await calibrateConfidence(asked);
    expect(fit).to.include({ dataset: 'tiny', split: 'dev' });
    expect(fit.photos).to.be.within(100, ids.length); // an empty caption is not a reference
    expect(fit.auc).to.be.within(0.6, 0.95);

    const { config, ...rest } = loadCheckpoint(folder);
    expect({ ...config, confidence: undefined }).to.deep.equal({ ...before.config, confidence: undefined });
    expect(rest.vocabulary.words).to.deep.equal(before.vocabulary.words);
    expect(config.confidence!.weights).to.deep.equal(weights);

    // On the photos of a fit the mean confidence is the share of good captions.
    const checkpoint = { config, ...rest };
    const [{ confidence }] = await evaluateCaptioner({ ...asked, checkpoint, split: 'dev', beams: [3] });
    const mean = confidence!.bins.reduce((sum, bin) => sum + bin.confidence * bin.captions, 0) / fit.photos;
    expect(mean).to.be.closeTo(confidence!.share, 0.005);
    expect(confidence!.share).to.be.closeTo(fit.good, 1e-9);
    expect(confidence!.auc).to.be.closeTo(fit.auc, 1e-9);
    expect(confidence!.brier).to.be.below(fit.good * (1 - fit.good));
  });

  it('is given with each caption, and withholds uncertain ones', async () => {
    const photo = path.join(scratch, 'red.jpg');
    fs.writeFileSync(photo, await colouredPhoto([200, 30, 40]));
    const captioner = await Captioner.load(folder);
    const [captioned] = await captioner.caption([photo], { n: 3 });
    await captioner.release();
    const confidences = captioned.captions.map(({ confidence }) => confidence!);
    for (const confidence of confidences) expect(confidence).to.be.within(0, 1);
    const between = (Math.max(...confidences) + Math.min(...confidences)) / 2;
    const { captions } = captionRecord(captioned, between) as { captions: { caption: string | null }[] };
    expect(captions.map(({ caption }) => caption === null)).to.deep.equal(confidences.map((c) => c < between));

    const run = (...more: string[]) => command('caption', photo, '--checkpoint', folder, ...more);
    const [withheld, given] = await Promise.all([run('--min-confidence', '1', '--json'), run()]);
    const [{ captions: json }] = JSON.parse(withheld.stdout) as [{ captions: Record<string, unknown>[] }];
    expect(json[0]).to.have.all.keys('caption', 'confidence', 'reason');
    expect(json[0].caption).to.equal(null);
    expect(json[0].reason).to.match(/^confidence 0\.\d\d is below 1$/);
    expect(given.stdout).to.contain(captioned.captions[0].caption);
  });

  it('refuses captions that are all good, few photos, and an uncalibrated captioner', async () => {
    const refusal = async (work: Promise<unknown>) => {
      const error = await work.then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(CaptionerError);
      return error as CaptionerError;
    };
    const allGood = await refusal(calibrateConfidence(await request(() => true)));
    expect(allGood.message).to.match(/on (\d+) dev photos, of which \1 have a good caption/);
    const few = await refusal(calibrateConfidence(await request((_, i) => i % 2 === 0, ids.slice(0, 20))));
    expect(few.code).to.equal('bad-input');

    const other = path.join(scratch, 'other');
    await saveTinyCaptioner(other, 4);
    const { code, stderr } = await command('caption', 'red.jpg', '--checkpoint', other, '--min-confidence', '0.5');
    expect(code).to.equal(1);
    expect(stderr).to.match(/calibrate/);
  });
});
