import { expect } from 'chai';
import { Captioner, openFeatures, SearchConfig, type Caption } from '../../lib/index.js';

const folder = 'checkpoints/mobilenetv2';
const ids = ['astronaut.jpg', 'officer.jpg', 'stairs.jpg'];

/** The searches with a trained decoder, on features of the sample photos. */
describe('searches of a real captioner', () => {
  let captioner: Captioner;
  const features = openFeatures('data/samples/features');
  const rows = Float32Array.from(ids.flatMap((id) => [...features.read(id)]));
  const search = (config: Partial<SearchConfig>, of = captioner): Promise<Caption[][]> =>
    of.captionFeatures(rows, ids.length, config);
  const texts = (found: Caption[][]) => found.map((captions) => captions.map(({ caption }) => caption));

  before(async () => {
    captioner = await Captioner.load(folder);
  });
  after(async () => {
    features.close();
    await captioner.release();
  });

  it('require and forbid words', async () => {
    for (const captions of texts(await search({ require: ['dog', 'in front of'], forbid: ['man', 'red'], n: 2 }))) {
      expect(captions).to.have.length(2);
      for (const caption of captions) {
        expect(caption)
          .to.match(/\bdog\b/)
          .and.match(/\bin front of\b/);
        expect(caption).to.not.match(/\b(man|red)\b/);
      }
    }
  });

  it('keep to lengths and repeat nothing', async () => {
    for (const method of SearchConfig.shape.method.unwrap().options) {
      for (const [caption] of await search({ method, minLength: 12, maxLength: 14, noRepeatNgram: 1 })) {
        const words = caption.words.map(({ word }) => word);
        expect(words.length, caption.caption).to.be.within(12, 14);
        expect(new Set(words).size).to.equal(words.length);
      }
    }
  });

  it('find captions that differ more in groups than in one beam', async () => {
    const distinct = (captions: readonly Caption[]) =>
      new Set(captions.flatMap(({ words }) => words.map(({ word }) => word))).size;
    const plain = await search({ n: 3, beam: 9 });
    const diverse = await search({ method: 'diverse', n: 3, diversity: 1.5 });
    const sum = (found: Caption[][]) => found.reduce((total, captions) => total + distinct(captions), 0);
    expect(sum(diverse)).to.be.above(sum(plain));
  });

  it('draw the same again in any batch, and something else with another seed', async () => {
    for (const method of ['sample', 'stochastic'] as const) {
      const config = { method, n: 3, topP: 0.9 };
      const drawn = texts(await search(config));
      expect(texts(await search(config))).to.deep.equal(drawn);
      expect(texts(await search({ ...config, seed: 2 }))).to.not.deep.equal(drawn);
      const [alone] = await captioner.captionFeatures(features.read(ids[1]), 1, config);
      expect(alone.map(({ caption }) => caption)).to.deep.equal(drawn[1]);
    }
  });

  it('caption with an ensemble of one captioner as with it alone', async () => {
    const twice = await Captioner.load([folder, folder]);
    expect(texts(await search({ n: 3 }, twice))).to.deep.equal(texts(await search({ n: 3 })));
    await twice.release();
  });

  it('write <unk> only when they may', async () => {
    const found = texts(await search({ method: 'sample', n: 30, temperature: 1.5, unknown: true })).flat();
    expect(found.some((caption) => caption.includes('<unk>'))).to.equal(true);
    const without = texts(await search({ method: 'sample', n: 30, temperature: 1.5 })).flat();
    expect(without.some((caption) => caption.includes('<unk>'))).to.equal(false);
  });
});
