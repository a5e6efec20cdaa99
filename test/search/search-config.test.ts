import { expect } from 'chai';
import { SearchConfig } from '../../lib/config.js';
import { resolveSearch } from '../../lib/search/search-config.js';
import { searchWords } from '../../lib/search/search-words.js';
import { CaptionerError } from '../../lib/errors.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';

describe('resolveSearch', () => {
  it('is the default search where nothing is asked for', () => {
    expect(resolveSearch({})).to.deep.equal(SearchConfig.parse({}));
  });

  for (const [search, beam] of [
    [{ n: 2 }, 3],
    [{ n: 7 }, 7],
    [{ method: 'stochastic', n: 7 }, 7],
    [{ method: 'sample', n: 7 }, 3],
    [{ method: 'diverse' }, 3],
    [{ method: 'diverse', n: 4 }, 12], // three places for each group
    [{ method: 'diverse', n: 7, groups: 2 }, 8],
  ] as const) {
    it(`widens the beam to ${beam} for ${JSON.stringify(search)}`, () => {
      expect(resolveSearch(search)).to.deep.equal({ ...SearchConfig.parse(search), beam });
    });
  }

  it('widens it no more than is allowed, if that is enough', () => {
    expect(resolveSearch({ method: 'diverse', n: 4 }, 10).beam).to.equal(8);
    expect(resolveSearch({ method: 'diverse', n: 4 }, 3).beam).to.equal(4);
    expect(resolveSearch({ method: 'diverse', n: 1000 }).beam).to.equal(1000);
  });

  for (const [search, complaint] of [
    [{ beam: 2, n: 3 }, "A beam of 2 can't give 3 captions"],
    [{ method: 'stochastic', beam: 2, n: 3 }, "A beam of 2 can't give 3 captions"],
    [
      { method: 'sample', require: ['dog'] },
      "'require' means nothing to the method sample: leave it out, or choose beam or diverse.",
    ],
    [
      { temperature: 2 },
      "'temperature' means nothing to the method beam: leave it out, or choose sample or stochastic.",
    ],
    [{ method: 'diverse', topK: 5 }, "'topK' means nothing to the method diverse"],
    [{ topP: 0.5 }, "'topP' means nothing"],
    [{ groups: 3 }, "'groups' means nothing to the method beam: leave it out, or choose diverse."],
    [{ method: 'stochastic', diversity: 1 }, "'diversity' means nothing"],
    [{ minLength: 9, maxLength: 8 }, "A caption can't have at least 9 words (minLength) and at most 8 (maxLength)."],
    [
      { method: 'diverse', groups: 2, beam: 5 },
      "2 groups can't share a beam of 5 evenly: make it 4 or 6, or choose other groups.",
    ],
    [{ method: 'diverse', groups: 4, beam: 3 }, 'make it 4 at least'],
    [{ method: 'guess' }, "method 'guess' is not one of beam, diverse, sample, stochastic"],
    [{ temperature: 0 }, 'temperature: '],
    [{ require: [''] }, 'require.0: '],
    [{ forbid: 'dog' }, 'forbid: '],
  ] as const) {
    it(`refuses ${JSON.stringify(search)}`, () => {
      expect(() => resolveSearch(search as unknown as Partial<SearchConfig>))
        .to.throw(CaptionerError, complaint)
        .with.property('code', 'bad-option');
    });
  }
});

describe('searchWords', () => {
  const vocabulary = Vocabulary.build([['man', "'s", 'dog', 'dogs', 'red', 't-shirt', 'grass', 'a', 'on']], {
    minCount: 1,
    maxSize: 100,
  });
  const id = (word: string) => vocabulary.id(word);
  const find = (words: Partial<SearchConfig>) =>
    searchWords({ require: [], forbid: [], maxLength: 8, ...words }, vocabulary);

  it('finds words and phrases as the captioner knows them', () => {
    expect(find({ require: ['Dog', "man's red  T-shirt"], forbid: ['on grass'] })).to.deep.equal({
      required: [[id('dog')], ['man', "'s", 'red', 't-shirt'].map(id)],
      forbidden: [['on', 'grass'].map(id)],
    });
  });

  for (const [words, complaint] of [
    [{ require: ['doog'] }, "require: this captioner does not know the word 'doog'; did you mean 'dog'?"],
    [{ forbid: ['red gras'] }, "forbid: this captioner does not know the word 'gras'; did you mean 'grass'?"],
    [{ require: ['helicopter'] }, "does not know the word 'helicopter'."],
    [{ require: ['<end>'] }, 'does not know the word'],
    [{ require: ['!?'] }, "require: '!?' has no words."],
    [
      { require: ['red dog'], forbid: ['dog'] },
      "'dog' is forbidden, but 'red dog' is required: leave one of them out.",
    ],
    [{ require: ['red dog'], maxLength: 1 }, '2 words are required, more than maxLength, 1'],
    [{ require: Array.from({ length: 13 }, () => 'a'), maxLength: 30 }, '13 words are required, more than 12'],
  ] as const) {
    it(`refuses ${JSON.stringify(words)}`, () => {
      expect(() => find(words as Partial<SearchConfig>))
        .to.throw(CaptionerError, complaint)
        .with.property('code', 'bad-option');
    });
  }

  it('may require a word that is only forbidden in another phrase', () => {
    expect(() => find({ require: ['dog'], forbid: ['red dog'] })).to.not.throw();
  });
});
