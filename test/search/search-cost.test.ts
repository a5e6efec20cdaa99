import { expect } from 'chai';
import { SearchConfig } from '../../lib/config.js';
import { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { resolveSearch } from '../../lib/search/search-config.js';
import { searchCost } from '../../lib/search/search-cost.js';
import { searchCaptions } from '../../lib/search/search.js';
import { randomStepper, vocabularyOf } from './table.js';

describe('the cost of a search', () => {
  it('is never less than the words that the decoder evaluates', async () => {
    const random = new Random(11);
    const methods = SearchConfig.shape.method.unwrap().options;
    let most = 0;
    for (let round = 0; round < 120; round++) {
      const method = methods[round % methods.length];
      const constrained = method === 'beam' || method === 'diverse';
      const required = constrained ? ['a', 'b c', 'd', 'e'].slice(0, random.integer(4)) : [];
      const config = resolveSearch({
        method,
        n: 1 + random.integer(3),
        maxLength: 6 + random.integer(6),
        minLength: random.integer(6),
        require: required,
      });
      const stepper = randomStepper(round, 8);
      await searchCaptions(stepper, vocabularyOf(8), Float32Array.of(0), 1, config);
      // The step after the last word only asks for its end.
      const cost = searchCost({ ...config, maxLength: config.maxLength + 1 });
      expect(stepper.rows, JSON.stringify(config)).to.be.at.most(cost);
      most = Math.max(most, stepper.rows / cost);
    }
    expect(most).to.be.above(0.5);
  });

  it('is bounded in time, too: a search ends at its deadline and frees its states', async () => {
    const stepper = randomStepper(1, 8);
    const late = searchCaptions(stepper, vocabularyOf(8), Float32Array.of(0), 1, resolveSearch({}), {
      deadline: performance.now() - 1,
    });
    const error: unknown = await late.catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaptionerError).and.have.property('code', 'timeout');
    expect(stepper.alive.size).to.equal(0);
  });
});
