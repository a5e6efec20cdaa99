import { expect } from 'chai';
import { alternatives, captionLogProbabilities } from '../../lib/search/alternatives.js';
import { beamSearch } from '../../lib/search/beam.js';
import { CaptionerError } from '../../lib/errors.js';
import { A, B, C, END, randomStepper, tableStepper } from './table.js';

const probability = ({ token, logProbability }: { token: number; logProbability: number }) => [
  token,
  Number(Math.exp(logProbability).toFixed(4)),
];

describe('alternatives', () => {
  const stepper = tableStepper([
    { '': { a: 0.6, b: 0.3, c: 0.1 }, b: { c: 0.5, '<end>': 0.4, '<unk>': 0.1 }, 'b c': { '<end>': 1 } },
    { '': { c: 1 }, c: { '<end>': 0.7, a: 0.3 } },
  ]);

  it('are the most likely words after the same prefix, even if the caption has another word', async () => {
    const found = await alternatives(stepper, Float32Array.of(0, 1), [[B, C], [C]], 2);
    expect(found.map((words) => words.map(probability))).to.deep.equal([
      [
        [B, 0.3],
        [C, 0.5],
        [END, 1],
      ],
      [
        [C, 1],
        [END, 0.7],
      ],
    ]);
    expect(found[0].map((word) => word.alternatives.map(probability))).to.deep.equal([
      [
        [A, 0.6],
        [B, 0.3],
      ],
      [
        [C, 0.5],
        [END, 0.4],
      ],
      [[END, 1]],
    ]);
    expect(stepper.alive.size).to.equal(0);
  });

  it('give each word the probability that the search gave it', async () => {
    const random = randomStepper(2, 7, 2);
    const features = Float32Array.of(0, 1, 2, 3, 4, 5);
    const found = await beamSearch(random, features, 6, { beam: 3, n: 1, maxLength: 9, lengthPenalty: 0.7 });
    const captions = found.map(([{ tokens }]) => tokens);
    const words = await alternatives(random, features, captions, 0);
    const alone = await captionLogProbabilities(random, features, captions);
    for (const [i, [{ tokenLogProbabilities }]] of found.entries()) {
      expect(words[i].map(({ logProbability }) => logProbability).slice(0, tokenLogProbabilities.length)).to.deep.equal(
        tokenLogProbabilities,
      );
      expect([...alone[i]]).to.deep.equal(words[i].map(({ logProbability }) => logProbability));
    }
    expect(random.alive.size).to.equal(0);
  });

  it('of no captions are none', async () => {
    expect(await alternatives(stepper, new Float32Array(0), [], 3)).to.deep.equal([]);
  });

  it('refuses the words of another captioner', async () => {
    const error = await alternatives(stepper, Float32Array.of(0), [[A, 7]], 1).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'mismatch');
  });
});
