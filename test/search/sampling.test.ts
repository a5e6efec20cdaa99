import { expect } from 'chai';
import { diverseBeamSearch } from '../../lib/search/diverse-beam.js';
import { greedySearch } from '../../lib/search/greedy.js';
import { sampleCaptions } from '../../lib/search/sampling.js';
import { Random } from '../../lib/random.js';
import { A, B, C, randomStepper, tableStepper } from './table.js';

describe('sampleCaptions', () => {
  const table = { '': { a: 0.6, b: 0.3, c: 0.1 }, a: { '<end>': 1 }, b: { '<end>': 1 }, c: { '<end>': 1 } };
  const shares = async (options: { temperature?: number; topP?: number }) => {
    const stepper = tableStepper([table]);
    const rows = 4000;
    const drawn = await sampleCaptions(stepper, new Float32Array(rows), rows, new Random(3), options);
    expect(stepper.alive.size).to.equal(0);
    return [A, B, C].map((word) => drawn.filter(({ tokens }) => tokens[0] === word).length / rows);
  };

  it('draws each word in proportion to its probability', async () => {
    const [a, b, c] = await shares({});
    expect(a).to.be.closeTo(0.6, 0.03);
    expect(b).to.be.closeTo(0.3, 0.03);
    expect(c).to.be.closeTo(0.1, 0.02);
  });

  it('sharpens with a low temperature: p becomes p^(1/T), normalised', async () => {
    const [a, b] = await shares({ temperature: 0.5 });
    expect(a).to.be.closeTo(0.36 / 0.46, 0.03);
    expect(b).to.be.closeTo(0.09 / 0.46, 0.03);
  });

  it('keeps to the nucleus', async () => {
    const [a, b, c] = await shares({ topP: 0.7 });
    expect(a).to.be.closeTo(2 / 3, 0.03);
    expect(b).to.be.closeTo(1 / 3, 0.03);
    expect(c).to.equal(0);
  });

  it('approaches greedy search as the temperature goes to 0', async () => {
    const features = Float32Array.of(0, 1, 2);
    const cold = await sampleCaptions(randomStepper(2, 7, 3), features, 3, new Random(1), {
      temperature: 1e-6,
      maxLength: 8,
    });
    const greedy = await greedySearch(randomStepper(2, 7, 3), features, 3, { maxLength: 8, lengthPenalty: 0 });
    expect(cold.map(({ tokens }) => tokens)).to.deep.equal(greedy.map(({ tokens }) => tokens));
    cold.forEach(({ logProbability }, i) => expect(logProbability).to.be.closeTo(greedy[i].logProbability, 1e-5));
  });

  it('refuses invalid temperatures and shares', async () => {
    for (const options of [{ temperature: 0 }, { topP: 0 }, { topP: 1.5 }]) {
      let message = '';
      await sampleCaptions(tableStepper([table]), new Float32Array(1), 1, new Random(1), options).catch(
        (error: Error) => {
          message = error.message;
        },
      );
      expect(message).to.contain('temperature');
    }
  });
});

describe('diverseBeamSearch', () => {
  it('gives its groups different words if they are nearly as probable, else the same', async () => {
    const table = { '': { a: 0.5, b: 0.3, c: 0.2 }, a: { '<end>': 1 }, b: { '<end>': 1 }, c: { '<end>': 1 } };
    const words = async (diversity: number) => {
      const stepper = tableStepper([table]);
      const found = await diverseBeamSearch(stepper, Float32Array.of(0), { groups: 3, diversity });
      expect(stepper.alive.size).to.equal(0);
      return found.map(({ tokens }) => tokens);
    };
    expect(await words(0)).to.deep.equal([[A], [A], [A]]);
    // a costs ln p + 0.6 after the first group: 0.5 e^-0.6 = 0.27 < 0.3; then b costs as much, and a is likelier than c again.
    expect(await words(0.6)).to.deep.equal([[A], [B], [A]]);
    expect(await words(5)).to.deep.equal([[A], [B], [C]]);
  });
});
