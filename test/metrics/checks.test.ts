import { expect } from 'chai';
import {
  checkFeatureStatistics,
  checkSameCaption,
  checkShuffledFeatures,
  checkUnknownWords,
  featureDistance,
  shuffledCider,
} from '../../lib/metrics/checks.js';
import { diversity } from '../../lib/metrics/diversity.js';
import { CaptionScorer } from '../../lib/metrics/scorer.js';
import { Random } from '../../lib/random.js';
import { randomFeatures } from '../fixtures/random-features.js';

const words = (caption: string) => caption.split(' ').filter(Boolean);

describe('checks for silent failures', () => {
  it('one caption for many photos', () => {
    const captions = (same: number, of: number) =>
      Array.from({ length: of }, (_, i) => words(i < same ? 'a man' : `a dog ${i}`));
    const checked = (same: number, of: number) => checkSameCaption(diversity(captions(same, of)), of);
    expect(checked(30, 100)).to.include({ alarm: true, value: 0.3 });
    expect(checked(30, 100).message).to.contain('30.0 % of the photos').and.contain('"a man"').and.contain('Train');
    expect(checked(9, 100).alarm).to.be.false;
    expect(checked(3, 7).alarm, 'three photos are no pattern').to.be.false;
    expect(checked(3, 7).message).to.contain('3 photos are too few to judge');
    expect(checked(9, 100).message).not.to.contain('too few');
  });

  describe('features that carry nothing', () => {
    const captions = Array.from({ length: 12 }, (_, i) => words(`word${i} other${i} more${i} and${i} last${i}`));
    const scorer = new CaptionScorer(captions.map((caption) => [caption]));

    it('raise no alarm if each photo has its own caption', () => {
      for (let seed = 0; seed < 5; seed++) {
        const found = shuffledCider(scorer, captions, new Random(seed))!;
        expect(found.cider).to.be.closeTo(10, 1e-9);
        expect(found.shuffled).to.equal(0);
      }
      expect(checkShuffledFeatures({ cider: 10, shuffled: 0 }).alarm).to.be.false;
      const two = new CaptionScorer(captions.slice(0, 2).map((caption) => [caption]));
      expect(shuffledCider(two, captions.slice(0, 2), new Random(1))!.shuffled).to.equal(0);
    });

    it('are found if all photos have the same caption', () => {
      const found = shuffledCider(
        scorer,
        captions.map(() => captions[0]),
        new Random(1),
      )!;
      expect(found.shuffled).to.be.closeTo(found.cider, 1e-12);
      const check = checkShuffledFeatures(found);
      expect(check).to.deep.include({ alarm: true, name: 'shuffled-features', details: found });
      expect(check.message).to.contain('do not depend on the features');
    });

    it('cannot be judged on one photo, and are suspected if nothing scores', () => {
      expect(shuffledCider(new CaptionScorer([[words('a')]]), [words('a')], new Random(1))).to.be.undefined;
      expect(checkShuffledFeatures({ cider: 0, shuffled: 0 }).alarm).to.be.true;
    });
  });

  it('words outside the vocabulary', () => {
    expect(checkUnknownWords(0.03).alarm).to.be.false;
    expect(checkUnknownWords(0.4)).to.include({ alarm: true, value: 0.4 });
  });

  describe('features prepared differently from training', () => {
    const D = 40;
    const ids = Array.from({ length: 200 }, (_, i) => `${i}.jpg`);
    const features = randomFeatures(ids, D); // of mean 0 and deviation 1
    const check = (mean: number, deviation: number, photos = ids) =>
      checkFeatureStatistics(
        featureDistance(features, photos, new Float32Array(D).fill(mean), new Float32Array(D).fill(deviation)),
      );

    it('raise no alarm if they come from the same distribution', () => {
      const distance = featureDistance(features, ids, new Float32Array(D), new Float32Array(D).fill(1));
      expect(distance.meanAbsoluteZ).to.be.closeTo(Math.sqrt(2 / Math.PI), 0.02);
      expect(distance.shift).to.be.closeTo(Math.sqrt(2 / Math.PI / 200), 0.02);
      expect(check(0, 1).value).to.be.below(0.05);
      expect(check(0, 1).alarm).to.be.false;
    });

    it('are found if they are shifted, stretched or flat', () => {
      expect(check(0.5, 1)).to.include({ alarm: true, name: 'feature-statistics' });
      expect(check(0.5, 1).value).to.be.closeTo(0.5, 0.05);
      expect(check(0, 0.3).alarm).to.be.true;
      expect(check(0, 5).alarm).to.be.true;
      expect(check(0.5, 1).message).to.contain('prepared differently');
    });

    it('are not judged on a few photos', () => {
      const few = check(0.5, 1, ids.slice(0, 7));
      expect(few.alarm).to.be.false;
      expect(few.message).to.contain('7 photos are too few to judge');
      expect(check(0, 1).message).not.to.contain('too few');
    });
  });
});
