import { expect } from 'chai';
import { captionsByLabels, type LabelledCaptions } from '../../lib/captioner/label-captions.js';
import { parseConfig, VocabularyConfig } from '../../lib/config.js';
import type { FeatureStore } from '../../lib/data/features/store.js';
import type { Stepper } from '../../lib/search/stepper.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';
import { tokenize } from '../../lib/text/tokenizer.js';

const texts = [
  'a black dog runs on wet grass',
  'a dog lies on a red sofa',
  'a dog that looks at us',
  'a cat sits on a red sofa',
  'a dog and a cat on grass',
];
const vocabulary = Vocabulary.build(texts.map(tokenize), parseConfig(VocabularyConfig, { minCount: 1 }));
const V = vocabulary.size;

/** A decoder for which each word is likely, unless it names a place: grass or a sofa is likely as the photo says. */
class Places implements Stepper<Float32Array> {
  readonly vocabularySize = V;
  start(features: Float32Array, rows: number) {
    expect(features).to.have.length(2 * rows);
    return Promise.resolve(features.slice());
  }
  step(state: Float32Array, tokens: Int32Array) {
    const logProbabilities = new Float32Array(tokens.length * V).fill(-1);
    tokens.forEach((_, row) => {
      const [grass, sofa] = state.subarray(2 * row, 2 * row + 2);
      for (const [words, likely] of [
        [['grass', 'wet'], grass],
        [['sofa', 'red'], sofa],
      ] as const) {
        for (const word of words) logProbabilities[row * V + vocabulary.id(word)] = -6 + 6 * likely;
      }
    });
    return Promise.resolve({ logProbabilities, state });
  }
  gather(state: Float32Array, rows: Int32Array) {
    return Float32Array.from([...rows].flatMap((row) => [state[2 * row], state[2 * row + 1]]));
  }
}

const rows: Record<string, [number, number]> = { meadow: [1, 0], room: [0, 1], unlike: [0, 0] };
const features = {
  dimension: 2,
  has: (id: string) => id in rows,
  read: (id: string, into: Float32Array) => into.set(rows[id]),
} as unknown as FeatureStore;

const images: LabelledCaptions[] = [
  { labels: ['dog'], captions: [texts[0]] },
  { labels: ['dog', 'sofa'], captions: [texts[1]] },
  { labels: ['dog'], captions: [texts[2]] },
  { labels: ['cat', 'sofa'], captions: [texts[3]] },
  { labels: ['cat', 'dog'], captions: [texts[4]] },
];

describe('captions by labels', () => {
  const find = (photos: Record<string, string[]>, except: string[] = []) =>
    captionsByLabels(
      Object.entries(photos).map(([id, labels]) => ({ id, labels })),
      images,
      { decoder: new Places(), vocabulary, features, except },
    );

  it('come from images with the same labels, and fit this photo better than an average one', async () => {
    const found = await find({ meadow: ['dog'], room: ['sofa', 'dog'] });
    // The second caption of dogs fits any photo; the sofa's photos of cats have other labels.
    expect([...found]).to.deep.equal([
      ['meadow', [texts[0]]],
      ['room', [texts[1]]],
    ]);
  });

  it('are missing if none fits', async () => {
    expect([...(await find({ meadow: ['dog'], unlike: ['dog'], room: ['horse'] })).keys()]).to.deep.equal(['meadow']);
  });

  it('are never those of dev and test photos', async () => {
    const found = await find({ meadow: ['dog'], room: ['dog', 'sofa'] }, [`${texts[0].toUpperCase()} `]);
    expect([...found.keys()]).to.deep.equal(['room']);
  });
});
