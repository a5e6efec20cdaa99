import { expect } from 'chai';
import { beamSearch } from '../../lib/search/beam.js';
import { lengthNormalized } from '../../lib/search/stepper.js';
import type { TracedCandidate } from '../../lib/search/observer.js';
import { tracedBeamSearch } from '../../lib/search/trace.js';
import { A, B, C, END, randomStepper, tableStepper } from './table.js';

const photo = Float32Array.of(0);

describe('tracedBeamSearch', () => {
  it('matches a search by hand', async () => {
    const stepper = tableStepper([
      {
        '': { a: 0.6, b: 0.3, c: 0.1 },
        a: { '<end>': 0.5, b: 0.4, c: 0.1 },
        b: { '<end>': 0.9, c: 0.1 },
        'a b': { '<end>': 1 },
      },
    ]);
    const config = { beam: 2, n: 1, maxLength: 5, lengthPenalty: 0 };
    const [{ captions, trace }] = await tracedBeamSearch(stepper, photo, 1, config);
    const shown = trace.map((step) =>
      step.map(({ id, parent, token, logProbability, score, kept }) => {
        const [p, total] = [logProbability, score].map((value) => Number(Math.exp(value).toFixed(4)));
        return [id, parent, token, p, total, kept];
      }),
    );
    expect(shown).to.deep.equal([
      [
        [1, 0, A, 0.6, 0.6, true],
        [2, 0, B, 0.3, 0.3, true],
      ],
      [
        [3, 1, END, 0.5, 0.3, true],
        [5, 2, END, 0.9, 0.27, false],
        [4, 1, B, 0.4, 0.24, true],
        [6, 2, C, 0.1, 0.03, true],
      ],
    ]);
    expect(captions.map(({ tokens }) => tokens)).to.deep.equal([[A]]);
  });

  it('matches the search without a trace, and every path leads from the empty caption to a result', async () => {
    for (const lengthPenalty of [0, 0.7]) {
      const stepper = randomStepper(3, 8, 2);
      const features = Float32Array.of(0, 1, 2, 3, 4);
      const config = { beam: 3, n: 2, maxLength: 6, lengthPenalty };
      const traced = await tracedBeamSearch(stepper, features, 5, config);
      expect(traced.map(({ captions }) => captions)).to.deep.equal(await beamSearch(stepper, features, 5, config));
      for (const { captions, trace } of traced) {
        const byId = new Map(trace.flat().map((candidate) => [candidate.id, candidate]));
        expect(byId.size).to.equal(trace.flat().length);
        for (const step of trace) {
          expect(step.filter(({ kept }) => !kept)).to.have.length.at.most(2 * config.beam);
          expect(step.map(({ score }) => score)).to.deep.equal(
            [...step.map(({ score }) => score)].sort((a, b) => b - a),
          );
        }
        const way = ({ id, parent }: TracedCandidate): TracedCandidate[] =>
          parent === 0 ? [byId.get(id)!] : [...way(byId.get(parent)!), byId.get(id)!];
        const ways = trace.flat().map(way);
        for (const steps of ways) {
          const sum = steps.reduce((total, { logProbability }) => total + logProbability, 0);
          expect(steps.at(-1)!.score).to.be.closeTo(lengthNormalized(sum, steps.length, lengthPenalty), 1e-9);
        }
        for (const { tokens, finished } of captions) {
          const written = [...tokens, ...(finished ? [END] : [])].join();
          const found = ways.find((steps) => steps.map(({ token }) => token).join() === written);
          if (finished) expect(found!.at(-1)).to.include({ kept: true, finished: true });
        }
      }
    }
  });

  it('keeps nothing but finished captions at the greatest length', async () => {
    const stepper = randomStepper(5, 6);
    const config = { beam: 2, n: 2, maxLength: 2, lengthPenalty: 0 };
    const [{ trace }] = await tracedBeamSearch(stepper, photo, 1, config);
    expect(trace).to.have.length(3);
    for (const { kept, finished } of trace[2]) if (kept) expect(finished).to.equal(true);
    expect(stepper.alive.size).to.equal(0);
  });
});
