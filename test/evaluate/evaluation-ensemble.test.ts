import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { evaluateCaptioner, type EvaluationRequest } from '../../lib/evaluate/evaluation.js';
import { storedCheckpoint, storedSamples } from '../fixtures/stored-samples.js';
import { loadCheckpoint } from '../../lib/model/checkpoint/checkpoint.js';

describe('evaluateCaptioner, with other searches and several captioners', function () {
  this.timeout(300_000).slow(20_000);

  const evaluate = async (values: Partial<EvaluationRequest>) => {
    const { manifest, features } = await storedSamples();
    const photos = manifest.photos.map((photo) => ({ ...photo, split: 'test' as const }));
    const checkpoint = loadCheckpoint(storedCheckpoint);
    const request = { manifest: { ...manifest, photos }, features, checkpoint, split: 'test' as const, beams: [3] };
    const [{ predictions, fit }] = await evaluateCaptioner({ ...request, ...values });
    features.close();
    return { captions: predictions.map(({ caption }) => caption), perplexity: fit.perplexity };
  };

  it('scores an ensemble of the same captioner as that captioner', async () => {
    const alone = await evaluate({});
    const twice = await evaluate({ ensemble: [loadCheckpoint(storedCheckpoint)] });
    expect(twice.captions).to.deep.equal(alone.captions);
    expect(twice.perplexity).to.be.closeTo(alone.perplexity, 1e-3);
  });

  it('searches with the given options', async () => {
    const { captions } = await evaluate({ search: { require: ['dog'], forbid: ['man'] } });
    for (const caption of captions)
      expect(caption)
        .to.match(/\bdog\b/)
        .and.not.match(/\bman\b/);
    const drawn = await evaluate({ search: { method: 'sample', topP: 0.9 } });
    expect(await evaluate({ search: { method: 'sample', topP: 0.9 } })).to.deep.equal(drawn);
  });

  it('refuses an impossible search at once', async () => {
    const error = await evaluate({ search: { require: ['doog'] } }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-option');
  });
});
