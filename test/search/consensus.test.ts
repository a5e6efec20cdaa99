import { expect } from 'chai';
import { resolveSearch } from '../../lib/search/search-config.js';
import { captionSimilarity, CaptionVectors, wordRarity } from '../../lib/search/ngram-similarity.js';
import { searchCaptions } from '../../lib/search/search.js';
import { CiderScorer } from '../../lib/metrics/cider.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';
import { everyCaption, samplingProbabilities } from './exhaustive.js';
import { A, B, C, randomStepper, tableStepper, vocabularyOf } from './table.js';

const equallyRare = new Float64Array(10).fill(1);

/** Similarity of one caption to another when all words are equally rare. */
function similarity(caption: readonly number[], reference: readonly number[]): number {
  const vectors = new CaptionVectors(equallyRare);
  return captionSimilarity(vectors.of(caption), vectors.of(reference));
}

describe('the similarity of captions', () => {
  it('is 1 for the same words if there are four or more, and 0 without a word in common', () => {
    expect(similarity([A, B, C, A, A], [A, B, C, A, A])).to.be.closeTo(1, 1e-12);
    expect(similarity([A, A], [B, C])).to.equal(0);
    expect(similarity([], [B, C])).to.equal(0);
  });

  it('matches a calculation by hand', () => {
    // One word of two in common, no pair: a quarter of 1 / (√2 √2).
    expect(similarity([A, B], [A, C])).to.be.closeTo(0.125, 1e-12);
    // a a against a: min(2, 1) · 1 / (2 · 1), times the penalty for one word more.
    expect(similarity([A, A], [A])).to.be.closeTo(0.125 * Math.exp(-1 / 72), 1e-12);
  });

  it('matches CIDEr-D where all n-grams are equally rare', () => {
    const words = (tokens: readonly number[]) => tokens.map((token) => 'abc'[token - A]);
    const pairs = [
      [[A, B, C, C, B], [B, C, C, A]],
      [[A, A, B, A, C, B, C], [A, B, A, C, C]],
      [[C, A], [C, A, B, B, A, B]],
    ]; // prettier-ignore
    for (const [caption, reference] of pairs) {
      // Every n-gram occurs in the references of one photo out of two.
      const scorer = new CiderScorer([[words(reference)], [['unrelated']]]);
      expect(similarity(caption, reference)).to.be.closeTo(scorer.scoreOne(0, words(caption)) / 10, 1e-9);
    }
  });

  it('counts rare words more', () => {
    const captions = [...Array.from({ length: 20 }, () => ['a', 'b']), ['c']];
    const vocabulary = Vocabulary.build(captions, { minCount: 1, maxSize: 10 });
    const vectors = new CaptionVectors(wordRarity(vocabulary));
    const of = (text: string) => vectors.of(text.split('').map((word) => vocabulary.id(word)));
    expect(captionSimilarity(of('ac'), of('bc'))).to.be.above(captionSimilarity(of('ca'), of('ba')));
  });
});

describe('consensus search', () => {
  const search = async (stepper: ReturnType<typeof tableStepper>, words: number, options: object) => {
    const config = resolveSearch({ method: 'consensus', ...options });
    return (await searchCaptions(stepper, vocabularyOf(words), Float32Array.of(0), 1, config))[0];
  };

  it('prefers what most captions agree on to the likeliest caption', async () => {
    const table = tableStepper([
      {
        '': { a: 0.4, b: 0.6 },
        a: { '<end>': 1 },
        b: { b: 0.5, c: 0.5 },
        'b b': { c: 1 },
        'b c': { c: 1 },
        'b b c': { a: 0.5, '<end>': 0.5 },
        'b c c': { a: 0.5, '<end>': 0.5 },
        'b b c a': { '<end>': 1 },
        'b c c a': { '<end>': 1 },
      },
    ]);
    const beam = resolveSearch({ beam: 5, lengthPenalty: 0 });
    const [[likeliest]] = await searchCaptions(table, vocabularyOf(3), Float32Array.of(0), 1, beam);
    expect(likeliest.tokens).to.deep.equal([A]);
    const [caption] = await search(table, 3, { beam: 5 });
    expect(caption.tokens[0]).to.equal(B);
  });

  it('finds the caption with the greatest expected similarity', async () => {
    const [words, maxLength] = [3, 3];
    for (let seed = 0; seed < 10; seed++) {
      const stepper = randomStepper(seed, words, 1.5);
      const vectors = new CaptionVectors(wordRarity(vocabularyOf(words)));
      const probabilities = [...samplingProbabilities(stepper, 0, maxLength)].map(([text, p]) => ({
        vector: vectors.of(text.split(' ').filter(Boolean).map(Number)),
        p,
      }));
      const expected = everyCaption(stepper, 0, { maxLength, lengthPenalty: 0 }).map(({ tokens }) => {
        const vector = vectors.of(tokens);
        return {
          text: tokens.join(' '),
          value: probabilities.reduce((sum, { vector: other, p }) => sum + p * captionSimilarity(vector, other), 0),
        };
      });
      const best = Math.max(...expected.map(({ value }) => value));
      // The beam has a place for each caption, so that only the sampling is approximate.
      const [found] = await search(stepper, words, { maxLength, beam: 60, samples: 1000 });
      const value = expected.find(({ text }) => text === found.tokens.join(' '))!.value;
      expect(value).to.be.closeTo(best, 0.01);
      expect(found.score).to.be.closeTo(value, 0.05);
    }
  });

  it('gives the n best, and the first is the same whatever n is', async () => {
    const stepper = randomStepper(3, 8);
    const all = await search(stepper, 8, { n: 5 });
    expect(all).to.have.length(5);
    expect(all.map(({ score }) => score)).to.deep.equal(all.map(({ score }) => score).sort((a, b) => b - a));
    expect(await search(stepper, 8, { n: 1 })).to.deep.equal(all.slice(0, 1));
  });

  it('reads the likeliest words only, not the whole distribution', async () => {
    const stepper = randomStepper(4, 8);
    const asked: number[] = [];
    const config = resolveSearch({ method: 'consensus', samples: 5, beam: 3 });
    const many = Vocabulary.build([Array.from({ length: 300 }, (_, i) => `w${i}`)], { minCount: 1, maxSize: 500 });
    const wide = {
      vocabularySize: many.size,
      start: stepper.start.bind(stepper),
      gather: stepper.gather.bind(stepper),
      step: () => Promise.reject(new Error('the whole distribution is not needed')),
      stepLikeliest: async (state: Parameters<typeof stepper.step>[0], tokens: Int32Array, count: number) => {
        asked.push(count);
        const next = await stepper.step(state, tokens);
        const words = Array.from(tokens, (_, row) => {
          const logs = next.logProbabilities.subarray(row * 12, (row + 1) * 12);
          return [...logs.keys()].sort((a, b) => logs[b] - logs[a]).map((token) => ({ token, log: logs[token] }));
        });
        return {
          likeliest: {
            count: 12,
            tokens: Int32Array.from(words.flat(), ({ token }) => token),
            logProbabilities: Float32Array.from(words.flat(), ({ log }) => log),
          },
          state: next.state,
        };
      },
    };
    const [[caption]] = await searchCaptions(wide, many, Float32Array.of(0), 1, config);
    expect(caption.tokens).to.have.length.of.at.least(1);
    expect(Math.max(...asked)).to.be.below(100);
  });
});
