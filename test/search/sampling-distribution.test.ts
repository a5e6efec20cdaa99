import { expect } from 'chai';
import { parseConfig, SearchConfig } from '../../lib/config.js';
import { greatestPlaces, wordDistribution } from '../../lib/search/distribution.js';
import { searchCaptions } from '../../lib/search/search.js';
import type { Hypothesis } from '../../lib/search/stepper.js';
import { Random } from '../../lib/random.js';
import { chiSquare, samplingProbabilities, everyCaption, tally } from './exhaustive.js';
import { A, B, C, END, randomStepper, vocabularyOf } from './table.js';

const words = 3;
const maxLength = 3;
const stepper = randomStepper(11, words, 1.2);

async function sample(values: Partial<SearchConfig>, decoder = stepper): Promise<Hypothesis[]> {
  const config = parseConfig(SearchConfig, { maxLength, ...values });
  const [captions] = await searchCaptions(decoder, vocabularyOf(words), Float32Array.of(0), 1, config);
  return captions;
}

const textOf = ({ tokens }: Hypothesis) => tokens.join(' ');

/** Only the `count` greatest of some probabilities. */
const greatest = (count: number) => (probabilities: number[]) => {
  const least = [...probabilities].sort((a, b) => b - a)[count - 1];
  return probabilities.map((p) => (p >= least ? p : 0));
};

const nucleus = (share: number) => (probabilities: number[]) => {
  const total = probabilities.reduce((sum, p) => sum + p, 0);
  return probabilities.map((p) => {
    const likelier = probabilities.filter((other) => other > p).reduce((sum, other) => sum + other, 0);
    return likelier < share * total ? p : 0;
  });
};

describe('sampling captions', () => {
  for (const { values, shape } of [
    { values: {}, shape: (p: number[]) => p },
    { values: { temperature: 2 }, shape: (p: number[]) => p.map((value) => Math.sqrt(value)) },
    { values: { temperature: 0.5 }, shape: (p: number[]) => p.map((value) => value ** 2) },
    { values: { topK: 2 }, shape: greatest(2) },
    { values: { topP: 0.6 }, shape: nucleus(0.6) },
    {
      values: { temperature: 2, topK: 3, topP: 0.8 },
      shape: (p: number[]) => nucleus(0.8)(greatest(3)(p.map((value) => Math.sqrt(value)))),
    },
    { values: { minLength: 2 }, shape: undefined },
  ] as { values: Partial<SearchConfig>; shape?: (p: number[]) => number[] }[]) {
    it(`samples each caption in proportion to its probability: sample, ${JSON.stringify(values)}`, async () => {
      const counts = tally((await sampleMany('sample', values, 8)).flat().map(textOf));
      if (!shape) {
        for (const text of counts.keys()) expect(text.split(' ')).to.have.length.of.at.least(2);
        return;
      }
      expect(chiSquare(counts, samplingProbabilities(stepper, 0, maxLength, shape))).to.be.below(1);
      // A different temperature would fail the test.
      const sharper = samplingProbabilities(stepper, 0, maxLength, (p) => shape(p).map((value) => value ** 1.15));
      expect(chiSquare(counts, sharper)).to.be.above(1);
    });

    if (shape) {
      it(`samples a single caption in proportion to its probability: stochastic, ${JSON.stringify(values)}`, async () => {
        const sampled = await sampleMany('stochastic', { ...values, beam: 1, n: 1 }, 4000);
        const counts = tally(sampled.flat().map(textOf));
        expect(chiSquare(counts, samplingProbabilities(stepper, 0, maxLength, shape))).to.be.below(1);
      });
    }
  }

  it('samples without replacement: stochastic', async () => {
    const sharp = randomStepper(5, words, 2.5); // a few likely captions, so that sampling without them differs
    const probabilities = samplingProbabilities(sharp, 0, maxLength);
    const pairs = new Map<string, number>();
    const independent = new Map<string, number>();
    for (const [one, p] of probabilities) {
      for (const [two, q] of probabilities) {
        if (one >= two) continue;
        pairs.set([one, two].join(' | '), (p * q) / (1 - p) + (q * p) / (1 - q));
        independent.set([one, two].join(' | '), p * q);
      }
    }
    const counts = new Map<string, number>();
    for (let seed = 1; seed <= 4000; seed++) {
      const pair = (await sample({ method: 'stochastic', beam: 2, n: 2, seed }, sharp)).map(textOf).sort().join(' | ');
      counts.set(pair, (counts.get(pair) ?? 0) + 1);
    }
    expect(chiSquare(counts, pairs)).to.be.below(1);
    // Independent sampling would fail the test.
    const sum = [...independent.values()].reduce((total, p) => total + p, 0);
    expect(chiSquare(counts, new Map([...independent].map(([pair, p]) => [pair, p / sum])))).to.be.above(1);
  });

  it('returns every caption if the sample is as large as their number: stochastic', async () => {
    const all = everyCaption(stepper, 0, { maxLength, lengthPenalty: 0.7 }).map(({ tokens }) => tokens.join(' '));
    const sampled = await sample({ method: 'stochastic', beam: 100, n: 100 });
    expect(sampled.map(textOf).sort()).to.deep.equal([...all].sort());
  });

  it('returns the best captions of its sample: stochastic', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const all = await sample({ method: 'stochastic', beam: 6, n: 6, seed });
      expect(await sample({ method: 'stochastic', beam: 6, n: 2, seed })).to.deep.equal(all.slice(0, 2));
      expect(all.map(({ score, finished }) => [finished, score])).to.deep.equal(
        all
          .map(({ score, finished }) => [finished, score])
          .sort(([f, a], [g, b]) => Number(g) - Number(f) || Number(b) - Number(a)),
      );
    }
  });

  it('equals greedy search as the temperature approaches 0', async () => {
    const [greedy] = await sample({ beam: 1 });
    for (const method of ['sample', 'stochastic'] as const) {
      const [cold] = await sample({ method, temperature: 1e-4, beam: 1 });
      expect(cold).to.deep.equal(greedy);
    }
  });
});

describe('wordDistribution', () => {
  const scores = Float32Array.of(0, 0, Math.log(0.2), 0, Math.log(0.4), Math.log(0.1), -Infinity);
  const shaping = { temperature: 1, topK: 0, topP: 1 };

  it('lists the words that may be written, likeliest first, with probabilities that sum to 1', () => {
    const { tokens, logProbabilities } = wordDistribution(scores, shaping);
    expect(tokens).to.deep.equal([A, END, B]);
    [4 / 7, 2 / 7, 1 / 7].forEach((p, i) => expect(Math.exp(logProbabilities[i])).to.be.closeTo(p, 1e-6));
    expect(tokens).to.not.include(C);
  });

  it('sorts a whole vocabulary, ties by token id', () => {
    const random = new Random(4);
    const many = Float32Array.from({ length: 3000 }, () => -Math.floor(1000 * random.uniform()) / 7);
    many[5] = 0;
    many[9] = 1e-7; // as rounding may have it
    const order = [...many.keys()].slice(4).sort((a, b) => many[b] - many[a] || a - b);
    const { tokens } = wordDistribution(many, shaping);
    expect(tokens.filter((token) => token !== END)).to.deep.equal(order);
    const most = [...many].slice(4);
    expect(greatestPlaces(most, 7).map((place) => most[place])).to.deep.equal(
      [...most].sort((a, b) => b - a).slice(0, 7),
    );
  });

  it('keeps at least one word', () => {
    expect(wordDistribution(scores, { ...shaping, topP: 1e-9 }).tokens).to.deep.equal([A]);
    expect(wordDistribution(scores, { ...shaping, topK: 1 }).tokens).to.deep.equal([A]);
    expect(
      wordDistribution(
        scores.map(() => -Infinity),
        shaping,
      ),
    ).to.deep.equal({ tokens: [], logProbabilities: [] });
  });
});

/** The captions sampled with many seeds. */
async function sampleMany(
  method: SearchConfig['method'],
  values: Partial<SearchConfig>,
  seeds: number,
): Promise<Hypothesis[][]> {
  const found: Hypothesis[][] = [];
  const n = method === 'sample' ? 1000 : values.n;
  for (let seed = 1; seed <= seeds; seed++) found.push(await sample({ ...values, method, n, seed }));
  return found;
}
