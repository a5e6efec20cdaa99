import { expect } from 'chai';
import { Random } from '../../lib/random.js';
import { tokenize } from '../../lib/text/tokenizer.js';

describe('tokenize', () => {
  const table: Record<string, string> = {
    // lower case, punctuation
    'A child in a pink dress is climbing up a set of stairs .':
      'a child in a pink dress is climbing up a set of stairs',
    'Two dogs -- one white , one "brown" -- run (fast) ; they bark !':
      'two dogs one white one brown run fast they bark',
    'a dog,a cat...and a bird': 'a dog a cat and a bird',
    'end.Start': 'end start',
    // clitics
    "A man's dog doesn't run": "a man 's dog does n't run",
    "He can't, won't, shouldn't've gone": "he ca n't wo n't should n't 've gone",
    "It 's a man 's dog , do n't run": "it 's a man 's dog do n't run",
    "I'm sure they're here, we've seen she'd go, he'll go": "i 'm sure they 're here we 've seen she 'd go he 'll go",
    'the man’s dog isn`t': "the man 's dog is n't",
    "two dogs' kids' toys": 'two dogs kids toys',
    "the children's": "the children 's",
    "ain't let's who's": "ai n't let 's who 's",
    'cannot gonna wanna': 'can not gonna wanna',
    "o'clock y'all rock 'n' roll": "o'clock y'all rock n roll",
    // hyphens
    'T-shirt X-ray black-and-white merry-go-round': 't-shirt x-ray black-and-white merry-go-round',
    'a 2-year-old in a t‑shirt': 'a 2-year-old in a t-shirt',
    "a well- known t-shirt's - and -end": "a well known t-shirt 's and end",
    'mother/daughter dog_cat': 'mother daughter dog cat',
    // numbers and abbreviations
    '3,000 people at 5:30 p.m. on the 5th': '3,000 people at 5:30 p.m. on the 5th',
    '1/2 of $5.00, 50% off #1, 10k': '1/2 of 5.00 50 off 1 10 k',
    'Dr. Smith of the U.S.': 'dr. smith of the u.s.',
    "1990s '90s": "1990s '90s",
    // unicode
    'A café, naïve Ünïcode': 'a café naïve ünïcode',
    'cafe\u0301': 'café',
    '😀 happy :) dog;dog ® A & B': '😀 happy dog dog a b',
    'no\u00a0break': 'no break',
    // names of JavaScript's own
    'constructor __proto__': 'constructor proto',
  };
  for (const [caption, words] of Object.entries(table)) {
    it(`${caption} -> ${words}`, () => {
      expect(tokenize(caption)).to.deep.equal(words.split(' '));
    });
  }

  for (const caption of ['', ' ', ' . ', '...', '-', '--', '"\' !?', '\n\t', "'"]) {
    it(`${JSON.stringify(caption)} has no words`, () => {
      expect(tokenize(caption)).to.deep.equal([]);
    });
  }

  it('gives words without blanks that tokenise to themselves, for any input', () => {
    const random = new Random(1);
    const characters = [...'abcAB \'-.,;:!?"()&#/\\_0123’é😀\u200b\n\tnts'];
    for (let i = 0; i < 2000; i++) {
      const caption = Array.from({ length: random.integer(25) }, () => characters[random.integer(characters.length)]);
      const words = tokenize(caption.join(''));
      expect(words.filter((word) => !word || /\s/.test(word))).to.deep.equal([]);
      expect(tokenize(words.join(' ')), JSON.stringify(caption.join(''))).to.deep.equal(words);
    }
  });
});
