import { expect } from 'chai';
import type { FeatureStore } from '../../lib/data/features/store.js';
import { referenceFit } from '../../lib/metrics/perplexity.js';
import { A, B, END, randomStepper, tableStepper } from '../search/table.js';

/** Photo `i` has the feature [i]. */
const features: FeatureStore = {
  dimension: 1,
  encoder: { name: 'numbers', sha256: '0'.repeat(64), dimension: 1 },
  precision: 'fp32',
  ids: ['0', '1', '2'],
  randomViews: [],
  has: () => true,
  read: (id, into = new Float32Array(1), offset = 0) => into.fill(Number(id), offset, offset + 1),
  close: () => undefined,
};
const UNK = 3;

describe('perplexity of references', () => {
  const stepper = () =>
    tableStepper([
      {
        '': { a: 0.5, b: 0.25, '<unk>': 0.25 },
        a: { b: 0.5, '<end>': 0.5 },
        'a b': { '<end>': 0.25 },
        '<unk>': { '<end>': 1 },
      },
      { '': { a: 0.125 }, a: { '<end>': 1 } },
    ]);

  it('matches a computation by hand', async () => {
    const decoder = stepper();
    const photos = [
      { id: '0', captions: [[A], [A, B], [UNK]] }, // 1/4, 1/16 and 1/4
      { id: '1', captions: [[A]] }, // 1/8
    ];
    const fit = await referenceFit(decoder, features, photos, { maxLength: 20 });
    expect(fit.words).to.equal(2 + 3 + 2 + 2);
    expect(fit.perplexity).to.be.closeTo((4 * 16 * 4 * 8) ** (1 / 9), 1e-6);
    expect(fit.unknown).to.be.closeTo(1 / 5, 1e-12);
    expect(decoder.alive.size, 'states that were not disposed').to.equal(0);
    expect(decoder.rows, 'captions at their end are not gone on with').to.equal(fit.words);
  });

  it('cuts captions as training does: without an end', async () => {
    const fit = await referenceFit(stepper(), features, [{ id: '0', captions: [[A, B]] }], { maxLength: 1 });
    expect(fit).to.include({ words: 1, unknown: 0 });
    expect(fit.perplexity).to.be.closeTo(2, 1e-6);
  });

  it('does not depend on the batches, and counts all their captions', async () => {
    const decoder = randomStepper(5, 4);
    const photos = Array.from({ length: 3 }, (_, photo) => ({
      id: `${photo}`,
      captions: Array.from({ length: 130 }, (_, i) => Array.from({ length: i % 5 }, (_, t) => 4 + ((i + t) % 4))),
    }));
    const progress: number[] = [];
    const onProgress = (done: number) => void progress.push(done);
    const fit = await referenceFit(decoder, features, photos, { maxLength: 20, onProgress });
    let [sum, words] = [0, 0];
    for (const [photo, { captions }] of photos.entries()) {
      for (const caption of captions) {
        [...caption, END].forEach((target, t, all) => {
          sum += Math.log(decoder.probabilities({ photo, tokens: all.slice(0, t) })[target]);
          words += 1;
        });
      }
    }
    expect(fit.words).to.equal(words);
    expect(fit.perplexity).to.be.closeTo(Math.exp(-sum / words), 1e-5);
    expect(progress).to.deep.equal([250, 390]);
  });

  it('stops on request', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    try {
      await referenceFit(stepper(), features, [{ id: '0', captions: [[A]] }], { maxLength: 5, signal });
      expect.fail('it did not stop');
    } catch (error) {
      expect((error as Error).message).to.equal('enough');
    }
  });
});
