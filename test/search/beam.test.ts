import { expect } from 'chai';
import { beamSearch } from '../../lib/search/beam.js';
import { greedySearch } from '../../lib/search/greedy.js';
import { lengthNormalized, type Hypothesis, type Stepper } from '../../lib/search/stepper.js';
import { CaptionerError } from '../../lib/errors.js';
import { A, B, C, CountingStepper, END, randomStepper, tableStepper, type Table } from './table.js';

const config = { beam: 3, n: 1, maxLength: 5, lengthPenalty: 0 };
const photo = Float32Array.of(0);

/** The greedy way, a b at .6 * .4, is not the best one, b a at .4 * .9. */
const misleading: Table = {
  '': { a: 0.6, b: 0.4 },
  a: { a: 0.3, b: 0.4, c: 0.3 },
  b: { a: 0.9, c: 0.1 },
  'a a': { '<end>': 1 },
  'a b': { '<end>': 1 },
  'a c': { '<end>': 1 },
  'b a': { '<end>': 1 },
  'b c': { '<end>': 1 },
};

/** Tokens and probability of each caption. */
function shown(hypotheses: readonly Hypothesis[]) {
  return hypotheses.map(({ tokens, logProbability }) => [tokens, Number(Math.exp(logProbability).toFixed(6))]);
}

/** Every caption there is, best first. */
function exhaustive(
  stepper: CountingStepper,
  feature: number,
  { maxLength, lengthPenalty, n }: { maxLength: number; lengthPenalty: number; n: number },
): { tokens: number[]; score: number }[] {
  const found: { tokens: number[]; score: number }[] = [];
  const extend = (tokens: number[], logProbability: number) => {
    const next = stepper.probabilities({ photo: feature, tokens }).map((p) => Math.fround(Math.log(p)));
    const score = lengthNormalized(logProbability + next[END], tokens.length + 1, lengthPenalty);
    found.push({ tokens, score });
    if (tokens.length === maxLength) return;
    for (let word = 4; word < next.length; word++) extend([...tokens, word], logProbability + next[word]);
  };
  extend([], 0);
  return found.sort((a, b) => b.score - a.score).slice(0, n);
}

describe('beamSearch', () => {
  it('finds the caption that greedy search misses', async () => {
    const stepper = tableStepper([misleading]);
    expect(shown(await greedySearch(stepper, photo, 1, config))).to.deep.equal([[[A, B], 0.24]]);
    const [captions] = await beamSearch(stepper, photo, 1, { ...config, beam: 2 });
    expect(shown(captions)).to.deep.equal([[[B, A], 0.36]]);
    expect(captions[0].finished).to.equal(true);
    expect(captions[0].tokenLogProbabilities.map((logP) => Math.exp(logP).toFixed(4))).to.deep.equal([
      '0.4000',
      '0.9000',
      '1.0000',
    ]);
  });

  it('gives the n best, best first', async () => {
    const [captions] = await beamSearch(tableStepper([misleading]), photo, 1, { ...config, beam: 4, n: 4 });
    expect(shown(captions)).to.deep.equal([
      [[B, A], 0.36],
      [[A, B], 0.24],
      [[A, A], 0.18], // as likely as a c: the lower numbers first
      [[A, C], 0.18],
    ]);
  });

  it('prefers longer captions as the length penalty grows', async () => {
    // a <end> at .3; a b <end> at .7 * .4 = .28, but per word (and <end>) .65 against .55
    const stepper = tableStepper([{ '': { a: 1 }, a: { '<end>': 0.3, b: 0.7 }, 'a b': { '<end>': 0.4, c: 0.6 } }]);
    const search = async (lengthPenalty: number) =>
      (await beamSearch(stepper, photo, 1, { ...config, maxLength: 2, lengthPenalty }))[0][0];
    expect((await search(0)).tokens).to.deep.equal([A]);
    expect((await search(1)).tokens).to.deep.equal([A, B]);
    expect((await search(1)).score).to.be.closeTo(Math.log(0.28) / 3, 1e-6);
    expect((await search(1)).logProbability).to.be.closeTo(Math.log(0.28), 1e-6);
  });

  it('continues while a prefix can still beat the finished captions', async () => {
    const stepper = tableStepper([
      { '': { '<end>': 0.1, a: 0.9 }, a: { b: 1 }, 'a b': { c: 1 }, 'a b c': { '<end>': 1 } },
    ]);
    const [captions] = await beamSearch(stepper, photo, 1, config);
    expect(shown(captions)).to.deep.equal([[[A, B, C], 0.9]]);
  });

  it('stops as soon as none can', async () => {
    const stepper = tableStepper([{ '': { '<end>': 0.6, a: 0.4 }, a: { a: 1 }, 'a a': { a: 1 }, 'a a a': { a: 1 } }]);
    const [captions] = await beamSearch(stepper, photo, 1, config);
    expect(shown(captions)).to.deep.equal([[[], 0.6]]);
    expect(stepper.steps).to.equal(1);
  });

  it('cuts captions at the greatest length, and ranks them behind finished ones', async () => {
    const stepper = tableStepper([{ '': { a: 0.9, b: 0.1 }, a: { a: 1 }, 'a a': { a: 1 }, b: { '<end>': 1 } }]);
    const [captions] = await beamSearch(stepper, photo, 1, { ...config, maxLength: 2, n: 2 });
    expect(shown(captions)).to.deep.equal([
      [[B], 0.1],
      [[A, A], 0.9],
    ]);
    expect(captions.map(({ finished }) => finished)).to.deep.equal([true, false]);
  });

  it('lets a caption of maximum length end', async () => {
    const stepper = tableStepper([{ '': { a: 1 }, a: { b: 1 }, 'a b': { '<end>': 0.6, a: 0.4 } }]);
    const [captions] = await beamSearch(stepper, photo, 1, { ...config, maxLength: 2, n: 3 });
    expect(shown(captions)).to.deep.equal([[[A, B], 0.6]]);
  });

  it('never writes <pad>, <start> or <unk>', async () => {
    const stepper = tableStepper([
      { '': { '<unk>': 0.7, '<pad>': 0.1, '<start>': 0.1, a: 0.1 }, a: { '<unk>': 0.9, '<end>': 0.1 } },
    ]);
    for (const beam of [1, 3]) {
      const [captions] = await beamSearch(stepper, photo, 1, { ...config, beam });
      expect(shown(captions)).to.deep.equal([[[A], 0.01]]);
    }
  });

  it('gives an unfinished caption if nothing may follow', async () => {
    const [captions] = await beamSearch(tableStepper([{ '': { a: 1 } }]), photo, 1, config);
    expect(captions).to.have.length(1);
    expect(captions[0]).to.include({ finished: false, logProbability: 0 });
    expect(captions[0].tokens).to.deep.equal([A]);
  });

  it('gives nothing for no photos', async () => {
    expect(await beamSearch(tableStepper([]), new Float32Array(0), 0, config)).to.deep.equal([]);
  });

  for (const lengthPenalty of [0, 0.7, 1, 2]) {
    it(`matches exhaustive search if the beam is wide enough, length penalty ${lengthPenalty}`, async () => {
      for (let seed = 1; seed <= 15; seed++) {
        const stepper = randomStepper(seed, 3);
        const wide = { beam: 100, n: 5, maxLength: 4, lengthPenalty };
        const [captions] = await beamSearch(stepper, photo, 1, wide);
        const best = exhaustive(stepper, 0, wide);
        expect(captions.map(({ tokens }) => tokens)).to.deep.equal(best.map(({ tokens }) => tokens));
        captions.forEach(({ score }, i) => expect(score).to.be.closeTo(best[i].score, 1e-9));
      }
    });
  }

  it('is the same for many photos at once as for one by one, and disposes of every state', async () => {
    for (const beam of [1, 2, 5]) {
      const stepper = randomStepper(beam, 6, 2);
      const search = { beam, n: Math.min(beam, 2), maxLength: 7, lengthPenalty: 0.5 };
      const features = Float32Array.from({ length: 12 }, (_, i) => i);
      const together = await beamSearch(stepper, features, 12, search);
      const steps = stepper.steps;
      expect(steps).to.be.at.most(8);
      for (let i = 0; i < 12; i++) {
        expect(await beamSearch(stepper, Float32Array.of(i), 1, search)).to.deep.equal([together[i]]);
      }
      expect(stepper.alive.size).to.equal(0);
    }
  });

  it('advances only unfinished photos', async () => {
    const short: Table = { '': { '<end>': 1 } };
    const long: Table = { '': { a: 1 }, a: { a: 1 }, 'a a': { a: 1 }, 'a a a': { '<end>': 1 } };
    const stepper = tableStepper([short, long]);
    const captions = await beamSearch(stepper, Float32Array.of(0, 1, 0), 3, config);
    expect(captions.map(([{ tokens }]) => tokens.length)).to.deep.equal([0, 3, 0]);
    expect(stepper.rows).to.equal(3 + 1 + 1 + 1);
  });

  it('is greedy search with a beam of 1', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const stepper = randomStepper(seed, 8, 2);
      const features = Float32Array.of(0, 1, 2, 3);
      const search = { beam: 1, n: 1, maxLength: 6, lengthPenalty: seed % 3 };
      const beams = await beamSearch(stepper, features, 4, search);
      expect(await greedySearch(stepper, features, 4, search)).to.deep.equal(beams.flat());
      expect(stepper.alive.size).to.equal(0);
    }
  });

  it('refuses probabilities that are not numbers', async () => {
    const stepper = new CountingStepper(7, () => [0.1, 0.1, 0.1, 0.1, 0.1, NaN, 0.1]);
    const bad: Stepper<unknown>[] = [stepper as Stepper<unknown>];
    for (const search of [() => beamSearch(bad[0], photo, 1, config), () => greedySearch(bad[0], photo, 1, config)]) {
      const error = await search().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'numeric');
    }
  });

  it('refuses more captions than beams', async () => {
    const error = await beamSearch(tableStepper([{}]), photo, 1, { ...config, n: 4 }).catch(
      (reason: unknown) => reason,
    );
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-option');
  });
});
