import { expect } from 'chai';
import { Captioner } from '../lib/captioner/captioner.js';
import { photoFeatures } from '../lib/data/features/photo-features.js';
import { openFeatures } from '../lib/data/features/store.js';
import { CaptionerError } from '../lib/errors.js';
import { lessonPreset, openSamples } from '../lib/lesson.js';
import { checkEncoder, loadCheckpoint } from '../lib/model/checkpoint/checkpoint.js';
import { storedCheckpoint } from './fixtures/stored-samples.js';

describe('lessons', function () {
  this.timeout(60_000);

  it('refuse an unknown preset', async () => {
    const before = process.env.CAPTIONER_PRESET;
    process.env.CAPTIONER_PRESET = 'huge';
    const error = await lessonPreset().catch((thrown: unknown) => thrown);
    if (before === undefined) delete process.env.CAPTIONER_PRESET;
    else process.env.CAPTIONER_PRESET = before;
    expect(error).to.be.instanceOf(CaptionerError);
    expect((error as CaptionerError).message).to.contain('tiny or flickr8k');
  });

  it('have five captions for each sample photo', async () => {
    const { photos, problems } = await openSamples();
    expect(problems).to.deep.equal([]);
    expect(photos).to.have.length.of.at.least(12);
    for (const { id, captions } of photos) expect(new Set(captions), id).to.have.property('size', 5);
  });

  it('have features of the sample photos by the default encoder, which give the captions of the photos themselves', async () => {
    const { photos } = await openSamples();
    const captioner = await Captioner.load();
    const features = await photoFeatures(photos, await captioner.ready());
    expect(features.ids).to.deep.equal(photos.map(({ id }) => id));
    const files = photos.map(({ file }) => file);
    const texts = (captioned: { captions?: readonly { caption: string }[] }[]) =>
      captioned.map(({ captions }) => captions?.[0].caption);
    const ofFeatures = [];
    for await (const photo of captioner.captionsOfFeatures(features)) ofFeatures.push(photo);
    expect(texts(ofFeatures)).to.deep.equal(texts(await captioner.caption(files)));
    expect(() => features.read('nowhere.jpg')).to.throw(CaptionerError, 'no features of nowhere.jpg');
    await captioner.release();
  });

  it('leave the stored features of the sample photos to the captioner whose encoder does not ship', async () => {
    const stored = openFeatures('data/samples/features');
    const { photos } = await openSamples();
    expect(photos.filter(({ id }) => !stored.has(id))).to.deep.equal([]);
    checkEncoder(loadCheckpoint(storedCheckpoint).config, stored.encoder, 'data/samples/features');
    stored.close();
  });
});
