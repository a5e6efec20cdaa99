import { expect } from 'chai';
import type { Manifest } from '../../../lib/data/datasets/manifest.js';
import { Vocabulary } from '../../../lib/text/vocabulary.js';
import { encodePhotos } from '../../../lib/train/batches/caption-data.js';
import { buildVocabulary, tokenizeData } from '../../../lib/train/batches/tokenize-dataset.js';
import { randomFeatures } from '../../fixtures/random-features.js';

const manifest: Manifest = {
  name: 'few',
  problems: [],
  photos: [
    { id: 'a', file: '/a', split: 'train', captions: ['A dog runs.', 'The dog!', '...'] },
    { id: 'b', file: '/b', split: 'train', captions: ['A zebra runs'] },
    { id: 'c', file: '/c', split: 'train', captions: [] },
    { id: 'd', file: '/d', split: 'dev', captions: ['A puppy runs'] },
    { id: 'e', file: '/e', split: 'test', captions: ['Unseen words of the test photos'] },
    { id: 'f', file: '/f', captions: ['in no split'] },
  ],
};

describe('training data', () => {
  const features = randomFeatures(['a', 'b', 'c', 'd', 'e', 'f'], 3);

  it('is the words of the train photos; dev photos keep their captions to be scored against', () => {
    const data = tokenizeData(manifest, features);
    expect(data.train).to.deep.equal([
      {
        id: 'a',
        file: '/a',
        captions: [
          ['a', 'dog', 'runs'],
          ['the', 'dog'],
        ],
      },
      { id: 'b', file: '/b', captions: [['a', 'zebra', 'runs']] },
    ]);
    expect(data.dev).to.deep.equal([
      { id: 'd', file: '/d', captions: [['a', 'puppy', 'runs']], references: ['A puppy runs'] },
    ]);
    expect(data.without).to.deep.equal([]);
    const { words } = buildVocabulary(data, { minCount: 1 });
    expect(words.slice(4)).to.deep.equal(['a', 'dog', 'runs', 'the', 'zebra']);
  });

  it('turns words outside the vocabulary into <unk>, or with vectors into the most similar known one', () => {
    const data = tokenizeData(manifest, features);
    const vocabulary = buildVocabulary(data, { minCount: 2 });
    const [a, dog, runs] = ['a', 'dog', 'runs'].map((word) => vocabulary.id(word));
    expect(encodePhotos(data.dev, vocabulary)[0].captions).to.deep.equal([[a, Vocabulary.UNK, runs]]);
    const nearestKnownWord = (word: string) => (word === 'puppy' ? 'dog' : undefined);
    const vectors = { dimension: 1, matrix: new Float32Array(), missing: [], nearestKnownWord };
    expect(encodePhotos(data.dev, vocabulary, vectors)[0].captions).to.deep.equal([[a, dog, runs]]);
    expect(encodePhotos(data.train, vocabulary, vectors)[1].captions).to.deep.equal([[a, Vocabulary.UNK, runs]]);
  });
});
