import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { CaptionScorer, scoreCaptions } from '../../lib/metrics/scorer.js';

const words = (caption: string) => caption.split(' ').filter(Boolean);

// Scored by the COCO caption evaluation itself.
const references = [
  ['a dog runs on the grass', 'a brown dog is running through a grassy field', 'the dog is playing outside'],
  ['two men ride bikes on a street', 'two people riding bicycles down the road'],
  ['a plate of food with rice and vegetables', 'rice and broccoli on a white plate', 'a meal on a table', 'food'],
].map((captions) => captions.map(words));
const candidates = [
  'a dog is running on the grass',
  'a man riding a bike down the street',
  'a plate of rice and broccoli on a table',
].map(words);

describe('scores of the COCO caption evaluation', () => {
  it('are met to 1e-9', () => {
    const { corpus, images } = scoreCaptions(candidates, references);
    expect(corpus['BLEU-1']).to.be.closeTo(0.8749999999635417, 1e-9);
    expect(corpus['BLEU-2']).to.be.closeTo(0.735980072161131, 1e-9);
    expect(corpus['BLEU-3']).to.be.closeTo(0.5950030817980695, 1e-9);
    expect(corpus['BLEU-4']).to.be.closeTo(0.409377618768937, 1e-9);
    expect(corpus['ROUGE-L']).to.be.closeTo(0.6208987284366956, 1e-9);
    expect(corpus.CIDEr).to.be.closeTo(1.9275121385325729, 1e-9);
    for (const [i, cider] of [2.4897089959238836, 0.9025637110610609, 2.390263708612774].entries()) {
      expect(images[i].CIDEr).to.be.closeTo(cider, 1e-9);
    }
  });

  it('are met to 1e-9 if a caption is empty', () => {
    const { corpus, images } = scoreCaptions([candidates[0], candidates[1], []], references);
    expect(corpus['BLEU-1']).to.be.closeTo(0.7999999999466668, 1e-9);
    expect(corpus['BLEU-2']).to.be.closeTo(0.6076436202065744, 1e-9);
    expect(corpus['BLEU-3']).to.be.closeTo(0.40642311345606286, 1e-9);
    expect(corpus['BLEU-4']).to.be.closeTo(5.226045318903884e-5, 1e-9);
    expect(corpus['ROUGE-L']).to.be.closeTo(0.39497280251076966, 1e-9);
    expect(corpus.CIDEr).to.be.closeTo(1.1307575689949816, 1e-9);
    expect(images[2]).to.include({ 'ROUGE-L': 0, CIDEr: 0 });
  });
});

describe('CaptionScorer', () => {
  it('gives a caption that is its only reference full marks', () => {
    const captions = ['a dog runs on grass', 'two men ride their bikes', 'some rice and broccoli here'].map(words);
    const { corpus, images } = scoreCaptions(
      captions,
      captions.map((caption) => [caption]),
    );
    for (const scores of [corpus, ...images]) {
      for (const n of [1, 2, 3, 4] as const) expect(scores[`BLEU-${n}`]).to.be.closeTo(1, 1e-8);
      expect(scores['ROUGE-L']).to.be.closeTo(1, 1e-12);
      expect(scores.CIDEr).to.be.closeTo(10, 1e-9);
    }
  });

  it('gives words that are in no reference nothing', () => {
    const { corpus } = scoreCaptions([words('x y z'), words('x x'), words('y')], references);
    for (const score of Object.values(corpus) as number[]) expect(score).to.be.closeTo(0, 1e-8);
  });

  it('does not depend on the order of the photos and of their references', () => {
    const there = scoreCaptions(candidates, references);
    const back = scoreCaptions(
      [...candidates].reverse(),
      [...references].reverse().map((captions) => [...captions].reverse()),
    );
    for (const [name, score] of Object.entries(there.corpus)) {
      expect(back.corpus[name as keyof typeof there.corpus]).to.be.closeTo(score as number, 1e-12);
    }
    expect(back.images[0].CIDEr).to.be.closeTo(there.images[2].CIDEr, 1e-12);
  });

  it('counts a repeated word as often as one reference has it', () => {
    const { images } = scoreCaptions(
      [words('the the the the the the the')],
      [[words('the cat is on the mat'), words('there is a cat on the mat')]],
    ); // the example of the BLEU paper: 2/7
    expect(images[0]['BLEU-1']).to.be.closeTo(2 / 7, 1e-8);
  });

  it('compares with the reference closest in length, the shorter one of two', () => {
    const { images } = scoreCaptions([words('a b c')], [[words('a b c d'), words('a b')]]);
    expect(images[0]['BLEU-1']).to.be.closeTo(1, 1e-8);
    const shortened = scoreCaptions([words('a b c')], [[words('a b c d e f'), words('a b c d')]]);
    expect(shortened.images[0]['BLEU-1']).to.be.closeTo(Math.exp(1 - 4 / 3), 1e-8);
  });

  it('gives a single photo no CIDEr, since nothing in it is rare', () => {
    expect(scoreCaptions([candidates[0]], [references[0]]).corpus.CIDEr).to.equal(0);
  });

  it('can be asked again and again', () => {
    const scorer = new CaptionScorer(references);
    const first = scorer.score(candidates);
    scorer.score([[], [], []]);
    expect(scorer.score(candidates)).to.deep.equal(first);
  });

  it('refuses mismatched inputs', () => {
    expect(() => scoreCaptions([[]], references))
      .to.throw(CaptionerError, '1 captions for 3 photos')
      .with.property('code', 'mismatch');
    expect(() => scoreCaptions([[]], [[]])).to.throw(CaptionerError, 'Photo 1 has no reference');
    expect(() => scoreCaptions([], [])).to.throw(CaptionerError, 'no references');
  });
});
