import { expect } from 'chai';
import { parseConfig, SearchConfig } from '../../lib/config.js';
import { DecoderEnsemble, loadDecoder } from '../../lib/search/ensemble.js';
import { searchCaptions } from '../../lib/search/search.js';
import type { Hypothesis, Stepper } from '../../lib/search/stepper.js';
import { CaptionerError } from '../../lib/errors.js';
import { tinyCheckpoint } from '../fixtures/tiny-checkpoint.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';
import { A, B, randomStepper, tableStepper, vocabularyOf } from './table.js';

const features = Float32Array.of(0, 1, 2, 3);
const config = parseConfig(SearchConfig, { beam: 3, n: 2, maxLength: 6 });
const search = <State>(stepper: Stepper<State>) => searchCaptions(stepper, vocabularyOf(7), features, 4, config);

async function refusal(promise: () => unknown): Promise<CaptionerError> {
  try {
    await promise();
  } catch (error) {
    expect(error).to.be.instanceOf(CaptionerError);
    return error as CaptionerError;
  }
  throw new Error('it was not refused');
}

describe('DecoderEnsemble', () => {
  it('of one decoder is that decoder', async () => {
    const stepper = randomStepper(1, 7, 2);
    expect(await search(new DecoderEnsemble([stepper]))).to.deep.equal(await search(stepper));
    expect(stepper.alive.size).to.equal(0);
  });

  it('of the same decoder thrice is that decoder', async () => {
    const steppers = [1, 1, 1].map((seed) => randomStepper(seed, 7, 2));
    expect(await search(new DecoderEnsemble(steppers))).to.deep.equal(await search(randomStepper(1, 7, 2)));
    for (const stepper of steppers) expect(stepper.alive.size).to.equal(0);
  });

  it('gives a word the mean of its probabilities, even if one of them is 0', async () => {
    const ensemble = new DecoderEnsemble([
      tableStepper([{ '': { a: 0.9, b: 0.1 }, a: { '<end>': 1 }, b: { '<end>': 1 } }]),
      tableStepper([{ '': { b: 0.7, c: 0.3 }, a: { '<end>': 0.5, a: 0.5 }, b: { '<end>': 0.8, a: 0.2 } }]),
    ]);
    const found = await searchCaptions(
      ensemble,
      vocabularyOf(3),
      Float32Array.of(0),
      1,
      parseConfig(SearchConfig, { n: 2, lengthPenalty: 0, maxLength: 1 }),
    );
    const shown = (hypotheses: Hypothesis[]) =>
      hypotheses.map(({ tokens, tokenLogProbabilities: logs }) => [
        tokens,
        logs.map((log) => Math.exp(log).toFixed(4)),
      ]);
    expect(shown(found[0])).to.deep.equal([
      [[B], ['0.4000', '0.9000']],
      [[A], ['0.4500', '0.7500']],
    ]);
  });

  it('does not depend on the order of its decoders', async () => {
    const captions = async (...seeds: number[]) =>
      (await search(new DecoderEnsemble(seeds.map((seed) => randomStepper(seed, 7, 2))))).map((found) =>
        found.map(({ tokens }) => tokens),
      );
    expect(await captions(1, 2, 3)).to.deep.equal(await captions(3, 1, 2));
    expect(await captions(1, 2, 3)).to.not.deep.equal(await captions(1));
  });

  it('refuses no decoder, and decoders of other words', async () => {
    expect((await refusal(() => new DecoderEnsemble([]))).code).to.equal('bad-input');
    const error = await refusal(() => new DecoderEnsemble([randomStepper(1, 5), randomStepper(1, 6)]));
    expect(error.code).to.equal('mismatch');
    expect(error.message).to.contain('9 and 10 words');
  });

  it('keeps NaN', async () => {
    const broken = tableStepper([{ '': { a: NaN } }, {}, {}, {}]);
    const ensemble = new DecoderEnsemble([tableStepper([{ '': { a: 1 } }, {}, {}, {}]), broken]);
    const error = await refusal(() => searchCaptions(ensemble, vocabularyOf(3), features, 4, config));
    expect(error.code).to.equal('numeric');
  });
});

describe('loadDecoder', () => {
  const checkpoint = tinyCheckpoint();

  it('refuses checkpoints of other words', async () => {
    const vocabulary = Vocabulary.build([['a', 'cat', 'runs']], { minCount: 1, maxSize: 100 });
    const error = await refusal(() => loadDecoder([checkpoint, { ...tinyCheckpoint(2), vocabulary }]));
    expect(error.code).to.equal('mismatch');
    expect(error.message).to.contain("word 5 is 'dog' in one and 'cat' in another");
    const smaller = Vocabulary.build([['a', 'dog']], { minCount: 1, maxSize: 100 });
    expect(
      (await refusal(() => loadDecoder([checkpoint, { ...tinyCheckpoint(2), vocabulary: smaller }]))).message,
    ).to.contain("word 6 is 'runs' in one and missing in another");
  });

  it('refuses checkpoints of other encoders', async () => {
    const other = tinyCheckpoint(2);
    const encoder = { ...other.config.encoder, name: 'tinier', sha256: 'e'.repeat(64) };
    const error = await refusal(() => loadDecoder([checkpoint, { ...other, config: { ...other.config, encoder } }]));
    expect(error.code).to.equal('mismatch');
    expect(error.message).to.contain("one has 'tiny'").and.to.contain("another 'tinier'");
  });
});
