import { expect } from 'chai';
import { parseConfig, SearchConfig } from '../../lib/config.js';
import { beamSearch } from '../../lib/search/beam.js';
import { searchCaptions, tracedSearch } from '../../lib/search/search.js';
import { A, B, C, randomStepper, tableStepper, vocabularyOf } from './table.js';

const features = Float32Array.of(0, 1, 2, 3);
const configOf = (values: Partial<SearchConfig>) =>
  parseConfig(SearchConfig, { method: 'diverse', maxLength: 6, ...values });

describe('diverse beam search', () => {
  it('is beam search with one group', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const stepper = randomStepper(seed, 7, 2);
      const config = configOf({ groups: 1, beam: 1 + (seed % 4), n: 1 + (seed % 4 > 1 ? 1 : 0), diversity: seed });
      expect(await searchCaptions(stepper, vocabularyOf(7), features, 4, config)).to.deep.equal(
        await beamSearch(stepper, features, 4, config),
      );
      expect(stepper.alive.size).to.equal(0);
    }
  });

  it('finds the same in each group if diversity costs nothing', async () => {
    const stepper = randomStepper(3, 7, 2);
    const found = await searchCaptions(
      stepper,
      vocabularyOf(7),
      features,
      4,
      configOf({ groups: 3, beam: 6, n: 2, diversity: 0 }),
    );
    expect(found).to.deep.equal(await beamSearch(stepper, features, 4, { ...configOf({}), beam: 2, n: 2 }));
  });

  it('matches a search by hand: two groups of two', async () => {
    const stepper = tableStepper([
      {
        '': { a: 0.5, b: 0.3, c: 0.2 },
        a: { '<end>': 0.6, b: 0.4 },
        b: { '<end>': 0.9, c: 0.1 },
        c: { '<end>': 0.7, a: 0.3 },
      },
    ]);
    // The first group takes a and b. To the second, a and b cost half: .25 and .15, so that it takes a and c.
    const config = configOf({ groups: 2, beam: 4, n: 3, diversity: Math.log(2), lengthPenalty: 0, maxLength: 1 });
    const [{ captions, trace }] = await tracedSearch(stepper, vocabularyOf(3), Float32Array.of(0), 1, config);
    const first = trace[0].map(({ token, kept, logProbability }) => [
      token,
      kept,
      Number(Math.exp(logProbability).toFixed(3)),
    ]);
    expect(first.filter(([, kept]) => kept)).to.deep.equal([
      [A, true, 0.5],
      [A, true, 0.5],
      [B, true, 0.3],
      [C, true, 0.2],
    ]);
    // a at .3, b at .27, and c at .14 from the second group
    expect(
      captions.map(({ tokens, logProbability }) => [tokens, Number(Math.exp(logProbability).toFixed(2))]),
    ).to.deep.equal([
      [[A], 0.3],
      [[B], 0.27],
      [[C], 0.14],
    ]);
  });

  it('does not repeat a word across groups at a position if the penalty exceeds any gain', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const config = configOf({ groups: 4, beam: 4, n: 4, diversity: 100 });
      const found = await searchCaptions(randomStepper(seed, 20, 1), vocabularyOf(20), features, 4, config);
      for (const captions of found) {
        expect(captions).to.have.length(4);
        const longest = Math.max(...captions.map(({ tokens }) => tokens.length));
        for (let place = 0; place < longest; place++) {
          const words = captions.flatMap(({ tokens }) => tokens.slice(place, place + 1));
          expect(new Set(words).size).to.equal(words.length);
        }
      }
    }
  });
});
