import { expect } from 'chai';
import { SearchConfig } from '../../lib/config.js';
import { resolveSearch } from '../../lib/search/search-config.js';
import { searchWords } from '../../lib/search/search-words.js';
import { CaptionerError } from '../../lib/errors.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';

describe('resolveSearch', () => {
  it('returns a resolved search unchanged and frozen', () => {
    const search = resolveSearch({ method: 'diverse', n: 4 });
    expect(resolveSearch(search)).to.equal(search);
    expect(() => Object.assign(search, { beam: 0 })).to.throw(TypeError);
    // A search that was derived from it is checked again.
    expect(() => resolveSearch({ ...search, beam: 3 })).to.throw(/A beam of 3/);
  });

  it('is the default search without options', () => {
    expect(resolveSearch({})).to.deep.equal(SearchConfig.parse({}));
  });

  for (const [search, beam] of [
    [{ n: 2 }, 3],
    [{ n: 7 }, 7],
    [{ method: 'stochastic', n: 7 }, 7],
    [{ method: 'sample', n: 7 }, 3],
    [{ method: 'consensus' }, 10],
    [{ method: 'consensus', n: 12 }, 12],
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
    expect(resolveSearch({ method: 'consensus', n: 2 }, 5).beam).to.equal(5);
    expect(resolveSearch({ method: 'diverse', n: 1000 }).beam).to.equal(1000);
  });

  for (const [search, complaint] of [
    [{ beam: 2, n: 3 }, "A beam of 2 can't give 3 captions"],
    [{ method: 'stochastic', beam: 2, n: 3 }, "A beam of 2 can't give 3 captions"],
    [
      { method: 'sample', require: ['dog'] },
      "'require' has no effect with method sample. Leave it out, or choose beam or diverse.",
    ],
    [{ temperature: 2 }, "'temperature' has no effect with method beam. Leave it out, or choose sample or stochastic."],
    [{ method: 'diverse', topK: 5 }, "'topK' has no effect with method diverse"],
    [{ topP: 0.5 }, "'topP' has no effect"],
    [{ samples: 30 }, "'samples' has no effect with method beam. Leave it out, or choose consensus."],
    [{ groups: 3 }, "'groups' has no effect with method beam. Leave it out, or choose diverse."],
    [{ method: 'stochastic', diversity: 1 }, "'diversity' has no effect"],
    [{ minLength: 9, maxLength: 8 }, 'minLength (9) exceeds maxLength (8). Lower minLength or raise maxLength.'],
    [
      { method: 'diverse', groups: 2, beam: 5 },
      "A beam of 5 can't be divided into 2 groups. Make it 4 or 6, or change the number of groups.",
    ],
    [{ method: 'diverse', groups: 4, beam: 3 }, 'Make it at least 4'],
    [{ method: 'guess' }, "method 'guess' is not one of beam, diverse, sample, stochastic, consensus"],
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

  it('finds words and phrases in the vocabulary', () => {
    expect(find({ require: ['Dog', "man's red  T-shirt"], forbid: ['on grass'] })).to.deep.equal({
      required: [[id('dog')], ['man', "'s", 'red', 't-shirt'].map(id)],
      forbidden: [['on', 'grass'].map(id)],
    });
  });

  for (const [words, complaint] of [
    [{ require: ['doog'] }, "require: 'doog' is not in the vocabulary. Did you mean 'dog'?"],
    [{ forbid: ['red gras'] }, "forbid: 'gras' is not in the vocabulary. Did you mean 'grass'?"],
    [{ require: ['helicopter'] }, "'helicopter' is not in the vocabulary."],
    [{ require: ['<end>'] }, "'<end>' is not in the vocabulary."],
    [{ require: ['!?'] }, "require: '!?' contains no words."],
    [
      { require: ['red dog'], forbid: ['dog'] },
      "'red dog' is required, but 'dog' is forbidden. Leave one of them out.",
    ],
    [{ require: ['red dog'], maxLength: 1 }, '2 words are required, but maxLength is 1. Require fewer.'],
    [
      { require: Array.from({ length: 13 }, () => 'a'), maxLength: 30 },
      '13 words are required, but at most 12 are possible.',
    ],
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
