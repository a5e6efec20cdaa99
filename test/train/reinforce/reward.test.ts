import { expect } from 'chai';
import { CiderScorer } from '../../../lib/metrics/cider.js';
import { Vocabulary } from '../../../lib/text/vocabulary.js';
import { advantages, CaptionReward } from '../../../lib/train/reinforce/reward.js';

describe('the reward of a drawn caption', () => {
  const texts = [['a dog runs fast', 'the dog runs'], ['two cats sleep here'], ['a red car']].map((captions) =>
    captions.map((caption) => caption.split(' ')),
  );
  const vocabulary = Vocabulary.build(texts.flat(), { minCount: 1, maxSize: 100 });
  const photos = texts.map((captions, i) => ({
    id: `${i}`,
    captions: captions.map((words) => vocabulary.encode(words)),
  }));
  const reward = new CaptionReward(photos, vocabulary);
  const targets = (caption: string) => [...vocabulary.encode(caption.split(' ')), Vocabulary.END];

  it('is its CIDEr-D against the captions of its photo, the end counted as a word', () => {
    const scorer = new CiderScorer(texts.map((captions) => captions.map((words) => [...words, '<end>'])));
    const dog = ['a', 'dog', 'sleeps', '<end>'].map((word) => (word === 'sleeps' ? 'sleep' : word));
    expect(reward.of('0', targets('a dog sleep'))).to.be.closeTo(scorer.score([dog, [], []])[0], 1e-12);
    expect(reward.of('1', targets('two cats sleep here'))).to.be.closeTo(10, 1e-9);
    expect(reward.of('2', targets('two cats sleep here'))).to.be.closeTo(0, 1e-9);
  });

  it('is less for a caption that stops without an end', () => {
    const whole = targets('the dog runs');
    expect(reward.of('0', whole.slice(0, -1))).to.be.below(reward.of('0', whole));
  });

  it('is compared with the mean of the other captions of the photo', () => {
    expect(advantages([1, 2, 6, 5, 5, 5], 3)).to.deep.equal([-3, -1.5, 4.5, 0, 0, 0]);
  });
});
