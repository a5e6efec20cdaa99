import { expect } from 'chai';
import { parseConfig, SearchConfig } from '../../lib/config.js';
import { beamSearch } from '../../lib/search/beam.js';
import { greedySearch } from '../../lib/search/greedy.js';
import { searchCaptions, tracedSearch } from '../../lib/search/search.js';
import { lengthNormalized, type Hypothesis, type Stepper } from '../../lib/search/stepper.js';
import type { TracedCandidate } from '../../lib/search/observer.js';
import { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { everyCaption } from './exhaustive.js';
import { A, END, randomStepper, tableStepper, vocabularyOf, type CountingStepper } from './table.js';

const one = Float32Array.of(0);
const methods = SearchConfig.shape.method.unwrap().options;
const configOf = (values: Partial<SearchConfig>) => parseConfig(SearchConfig, { maxLength: 5, ...values });

/** Each method with options that make it do what only it does. */
const each: Partial<SearchConfig>[] = [
  { method: 'beam', beam: 4, n: 3 },
  { method: 'beam', beam: 2, n: 2, require: ['b', 'c a'] },
  { method: 'diverse', beam: 4, n: 3, groups: 2, diversity: 0.7 },
  { method: 'sample', n: 4, temperature: 1.3, topP: 0.9 },
  { method: 'stochastic', beam: 4, n: 3, temperature: 1.2, topK: 4 },
  { method: 'consensus', beam: 4, n: 3, samples: 12 },
];

/** Photos whose first feature is their number, which is what the decoder reads, and others that tell them from each other. */
function photos(count: number): Float32Array {
  const random = new Random(9);
  return Float32Array.from({ length: count * 6 }, (_, i) => (i % 6 === 0 ? i / 6 : 20 * random.uniform()));
}

/** A stepper that gives the likeliest words only. */
class LikeliestStepper<State> implements Stepper<State> {
  readonly vocabularySize: number;
  /** The most words of a row that were asked for. */
  most = 0;

  constructor(private readonly stepper: Stepper<State>) {
    this.vocabularySize = stepper.vocabularySize;
  }

  start(features: Float32Array, rows: number) {
    return this.stepper.start(features, rows);
  }

  gather(state: State, rows: Int32Array) {
    return this.stepper.gather(state, rows);
  }

  step(): never {
    throw new Error('the whole distribution is not needed');
  }

  async stepLikeliest(from: State, tokens: Int32Array, count: number) {
    const V = this.vocabularySize;
    this.most = Math.max(this.most, count);
    const { logProbabilities: all, state } = await this.stepper.step(from, tokens);
    const best = Array.from(tokens, (_, row) =>
      Array.from({ length: V }, (_, token) => token)
        .sort((a, b) => all[row * V + b] - all[row * V + a] || a - b)
        .slice(0, count),
    );
    return {
      likeliest: {
        count,
        tokens: Int32Array.from(best.flat()),
        logProbabilities: Float32Array.from(best.flatMap((words, row) => words.map((token) => all[row * V + token]))),
      },
      state,
    };
  }
}

const nameOf = (values: Partial<SearchConfig>) => JSON.stringify(values);

describe('searchCaptions', () => {
  it('is beam search by default, and greedy search with a beam of 1', async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const stepper = randomStepper(seed, 8, 2);
      const features = Float32Array.of(0, 1, 2);
      const config = configOf({ beam: 3, n: 2 });
      expect(await searchCaptions(stepper, vocabularyOf(8), features, 3, config)).to.deep.equal(
        await beamSearch(stepper, features, 3, config),
      );
      const greedy = await searchCaptions(stepper, vocabularyOf(8), features, 3, configOf({ beam: 1 }));
      expect(greedy.flat()).to.deep.equal(await greedySearch(stepper, features, 3, configOf({})));
      expect(stepper.alive.size).to.equal(0);
    }
  });

  for (const rules of [
    { minLength: 3 },
    { noRepeatNgram: 1 },
    { noRepeatNgram: 2, minLength: 4 },
    { repeatWords: false },
    { forbid: ['b', 'c a'], repeatWords: false, minLength: 5 },
  ]) {
    it(`finds the same from the likeliest words as from all: ${nameOf(rules)}`, async () => {
      for (let seed = 1; seed <= 10; seed++) {
        const stepper = randomStepper(seed, 26, 3);
        const config = configOf({ beam: 3, n: 2, ...rules });
        const expected = await searchCaptions(stepper, vocabularyOf(26), photos(5), 5, config);
        const likeliest = new LikeliestStepper(stepper);
        expect(await searchCaptions(likeliest, vocabularyOf(26), photos(5), 5, config)).to.deep.equal(expected);
        expect(likeliest.most).to.be.within(1, 20);
      }
    });
  }

  for (const values of each) {
    it(`is the same for many photos at once as for one by one, and again: ${nameOf(values)}`, async () => {
      const stepper = randomStepper(4, 7, 1.5);
      const search = (features: Float32Array, rows: number) =>
        searchCaptions(stepper, vocabularyOf(7), features, rows, configOf(values));
      const features = photos(10);
      const together = await search(features, 10);
      expect(await search(features, 10)).to.deep.equal(together);
      for (let i = 0; i < 10; i++) {
        expect(await search(features.subarray(i * 6, i * 6 + 6), 1)).to.deep.equal([together[i]]);
      }
      expect(stepper.alive.size).to.equal(0);
      for (const captions of together) {
        if (values.method === 'diverse') {
          expect(captions).to.have.length.within(2, 3); // groups may find the same
        } else expect(captions).to.have.length(values.n!);
        if (values.method === 'sample') continue; // may draw a caption twice
        expect(new Set(captions.map(({ tokens }) => tokens.join())).size).to.equal(captions.length);
      }
    });

    it(`gives captions the probabilities that the decoder gives them: ${nameOf(values)}`, async () => {
      const stepper = randomStepper(5, 7, 1.5);
      const found = await searchCaptions(stepper, vocabularyOf(7), photos(6), 6, configOf(values));
      found.forEach((captions, photo) => {
        for (const caption of captions) {
          const words = caption.finished ? [...caption.tokens, END] : caption.tokens;
          const logs = words.map((word, i) => {
            return Math.fround(Math.log(stepper.probabilities({ photo, tokens: caption.tokens.slice(0, i) })[word]));
          });
          expect(caption.tokenLogProbabilities).to.deep.equal(logs);
          const sum = logs.reduce((total, log) => total + log, 0);
          expect(caption.logProbability).to.be.closeTo(sum, 1e-9);
          if (values.method === 'consensus') expect(caption.score).to.be.within(0, 1);
          else expect(caption.score).to.be.closeTo(lengthNormalized(sum, logs.length, 0.7), 1e-9);
        }
      });
    });

    it(`shows its way: ${nameOf(values)}`, async () => {
      const stepper = randomStepper(6, 7, 1.5);
      const config = configOf(values);
      const traced = await tracedSearch(stepper, vocabularyOf(7), photos(5), 5, config);
      const plain = await searchCaptions(stepper, vocabularyOf(7), photos(5), 5, config);
      expect(traced.map(({ captions }) => captions)).to.deep.equal(plain);
      for (const { captions, trace } of traced) checkTrace(captions, trace);
    });
  }

  it('draws other captions with another seed', async () => {
    const stepper = randomStepper(7, 8, 0.5);
    for (const method of ['sample', 'stochastic'] as const) {
      const [one, two] = await Promise.all(
        [1, 2].map((seed) => searchCaptions(stepper, vocabularyOf(8), photos(5), 5, configOf({ method, seed }))),
      );
      expect(one).to.not.deep.equal(two);
    }
  });

  it('draws different captions for each photo, and the same for slightly different features', async () => {
    const stepper = randomStepper(8, 20, 0.3);
    const draw = async (features: Float32Array) => {
      const [[{ tokens }]] = await searchCaptions(
        stepper,
        vocabularyOf(20),
        features,
        1,
        configOf({ method: 'sample' }),
      );
      return tokens;
    };
    const photo = Float32Array.of(0, 0.3, 0.9, 0.5, 0.1);
    expect(await draw(photo)).to.deep.equal(await draw(photo.map((value) => value * (1 + 1e-6))));
    expect(await draw(photo)).to.not.deep.equal(await draw(Float32Array.of(0, 0.9, 0.3, 0.1, 0.5)));
  });

  it('stops exactly when no prefix can win any more', async () => {
    let early = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const config = configOf({ beam: 3, n: 1 + (seed % 3), maxLength: 8, lengthPenalty: [0, 0.7, 1, 2][seed % 4] });
      const stepper = randomStepper(seed, 6, 2);
      const [{ captions, trace }] = await tracedSearch(stepper, vocabularyOf(6), one, 1, config);
      expect(captions.map(({ tokens }) => tokens)).to.deep.equal(beamWithoutEnd(stepper, config));
      const finished: number[] = [];
      trace.forEach((step, length) => {
        finished.push(...step.filter((candidate) => candidate.finished).map(({ score }) => score));
        finished.sort((a, b) => b - a);
        if (length === config.maxLength) return;
        const chances = step
          .filter((candidate) => candidate.kept && !candidate.finished)
          .map(
            ({ score }) =>
              (score * (length + 1) ** config.lengthPenalty) / (config.maxLength + 1) ** config.lengthPenalty,
          );
        const couldWin = finished.length < config.n || Math.max(...chances) > finished[config.n - 1];
        expect(couldWin, `seed ${seed}, step ${length}`).to.equal(length < trace.length - 1);
        if (!couldWin) early++;
      });
    }
    expect(early).to.be.within(10, 59); // both happens
  });

  it('refuses the vocabulary of another decoder', async () => {
    const error = await searchCaptions(randomStepper(1, 5), vocabularyOf(6), one, 1, configOf({})).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'mismatch');
  });

  for (const method of methods) {
    it(`gives an unfinished caption if nothing may follow, and refuses NaN: ${method}`, async () => {
      const stepper = tableStepper([{ '': { a: 1 } }]);
      const [captions] = await searchCaptions(stepper, vocabularyOf(3), one, 1, configOf({ method, beam: 1 }));
      expect(captions.map(({ tokens, finished }) => ({ tokens, finished }))).to.deep.equal([
        { tokens: [A], finished: false },
      ]);
      const broken = tableStepper([{ '': { a: NaN, b: 0.5 } }]);
      const error = await searchCaptions(broken, vocabularyOf(3), one, 1, configOf({ method })).catch(
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'numeric');
      expect(broken.alive.size).to.equal(0);
    });

    it(`gives nothing for no photos: ${method}`, async () => {
      const found = await searchCaptions(
        randomStepper(1, 3),
        vocabularyOf(3),
        new Float32Array(0),
        0,
        configOf({ method }),
      );
      expect(found).to.deep.equal([]);
    });
  }

  it('finds all captions if the beam has a place for each', async () => {
    const stepper = randomStepper(3, 3);
    const all = everyCaption(stepper, 0, { maxLength: 3, lengthPenalty: 0.7 });
    for (const method of ['beam', 'diverse', 'stochastic'] as const) {
      const values = { method, beam: 100, n: 5, maxLength: 3, ...(method === 'diverse' && { groups: 1 }) };
      const [captions] = await searchCaptions(stepper, vocabularyOf(3), one, 1, configOf(values));
      const finished = captions.filter((caption) => caption.finished);
      const tokens = finished.map((caption) => caption.tokens);
      if (method === 'stochastic') {
        // At the greatest length it draws whether a caption ends: those that do are in the order of all.
        const places = tokens.map((caption) => all.findIndex((other) => other.tokens.join() === caption.join()));
        expect(places).to.deep.equal([...places].sort((a, b) => a - b));
      } else expect(tokens).to.deep.equal(all.slice(0, 5).map((caption) => caption.tokens));
    }
  });
});

/** Beam search without an early end, written as plainly as can be. */
function beamWithoutEnd(stepper: CountingStepper, { beam, n, maxLength, lengthPenalty }: SearchConfig): number[][] {
  let live = [{ tokens: [] as number[], logProbability: 0 }];
  const finished: { tokens: number[]; score: number }[] = [];
  for (let length = 0; length <= maxLength; length++) {
    const candidates = live.flatMap(({ tokens, logProbability }) =>
      stepper
        .probabilities({ photo: 0, tokens })
        .map((p, token) => ({ token, tokens, logProbability: logProbability + Math.fround(Math.log(p)) }))
        .filter(({ token }) => token === END || token > 3)
        .sort((a, b) => b.logProbability - a.logProbability)
        .slice(0, beam),
    );
    for (const { token, tokens, logProbability } of candidates) {
      if (token === END) finished.push({ tokens, score: lengthNormalized(logProbability, length + 1, lengthPenalty) });
    }
    const continued = candidates.filter(({ token }) => token !== END);
    continued.sort((a, b) => b.logProbability - a.logProbability);
    if (length < maxLength) {
      live = continued
        .slice(0, beam)
        .map(({ token, tokens, logProbability }) => ({ tokens: [...tokens, token], logProbability }));
    }
  }
  finished.sort((a, b) => b.score - a.score);
  const cut = live.filter(({ tokens }) => finished.every((caption) => caption.tokens.join() !== tokens.join()));
  return [...finished, ...cut].slice(0, n).map(({ tokens }) => tokens);
}

/** Numbers are unique, parents come before, and each caption found has a way through what was kept. */
function checkTrace(captions: readonly Hypothesis[], trace: readonly (readonly TracedCandidate[])[]): void {
  const byId = new Map<number, { text: string; kept: boolean; sum: number }>([[0, { text: '', kept: true, sum: 0 }]]);
  const ways: string[] = [];
  trace.forEach((step, length) => {
    for (const { id, parent, token, logProbability, score, kept, finished } of step) {
      expect(byId.has(id)).to.equal(false);
      const before = byId.get(parent)!;
      const sum = before.sum + logProbability;
      expect(score).to.be.closeTo(lengthNormalized(sum, length + 1, 0.7), 1e-9);
      expect(finished).to.equal(token === END);
      byId.set(id, { text: `${before.text} ${token}`, kept, sum });
      if (kept) ways.push(`${before.text} ${token}`.trim());
    }
  });
  for (const { tokens, finished } of captions) {
    expect(ways).to.include([...tokens, ...(finished ? [END] : [])].join(' '));
  }
}
