import { expect } from 'chai';
import { ptbTokenize } from '../../lib/metrics/ptb.js';
import { Random } from '../../lib/random.js';

describe('ptbTokenize', () => {
  /** Tokens of a caption by the Stanford tokenizer's rules (PTBLexer), and those that are then dropped. */
  const table: Record<string, string> = {
    "A man's dog doesn't run.": "a man 's dog does n't run",
    "He can't, shouldn't've gone!": "he ca n't should n't 've gone",
    "It 's a man 's dog , do n't run .": "it 's a man 's dog do n't run",
    "I'm they're we'll she'd": "i 'm they 're we 'll she 'd",
    "the dogs' kids' toys": 'the dogs kids toys',
    'the man’s “dog”': "the man 's dog",
    "o'clock rock 'n' roll '90s 'quoted'": "o'clock rock 'n' roll '90s quoted",
    'cannot gonna': 'can not gon na',
    't-shirt black-and-white mother/daughter mid-air': 't-shirt black-and-white mother/daughter mid-air',
    'a - b -- c --- d a--b – e': 'a b c d a b e',
    'hello...world . . . end … of': 'hello world end of',
    'one, two; three: four? (five) {six} "seven" `eight\'': 'one two three four five six seven eight',
    'U.S. p.m. Dr. Smith St. the P. end.': 'u.s. p.m. dr. smith st. the p end',
    '3,000 5:30 $5.00 50% 1/2 10k 5th #28 A & B': '3,000 5:30 $ 5.00 50 % 1/2 10k 5th # 28 a & b',
    'a dog,a cat': 'a dog a cat',
    'see http://x.com/y. or mail a@b.com': 'see http://x.com/y or mail a@b.com',
    'Ünïcode café 日本': 'ünïcode café 日本',
    // The rows of ptbTokenize's documentation.
    'A Dog': 'a dog',
    "the man's dog, it's, they're": "the man 's dog it 's they 're",
    "doesn't, can't, shouldn't've": "does n't ca n't should n't 've",
    "o'clock, ma'am; y'all, rock'n'roll": "o'clock ma'am y' all rock 'n' roll",
    'cannot, gonna': 'can not gon na',
    't-shirt, merry-go-round, him/her': 't-shirt merry-go-round him/her',
    '3,000 5:30 $5.00 50% 5th 1/2': '3,000 5:30 $ 5.00 50 % 5th 1/2',
    'U.S. p.m. Dr. St. Oct. etc.': 'u.s. p.m. dr. st. oct. etc.',
    "\"one\" 'two' ``three'' (four) [five]": 'one two three four five',
    'one, two; three - four -- five ... !': 'one two three four five',
    'A & B, #1, 5 + 5': 'a & b # 1 5 + 5',
    // An apostrophe inside a word stays by rule only.
    "shi'ite d'avignon hawai'i o'brien's": "shi'ite d'avignon hawai'i o'brien 's",
    "cap'n c'mon li'l s'mores": "cap'n c'mon li'l s'mores",
    "the boys'bikes and dog'cat": 'the boys bikes and dog cat',
    "can't ain't won't n't": "ca n't ai n't wo n't n't",
    "mother's-day isn't-it x-ray's": "mother 's day is n't it x-ray 's",
    "the summer of '69 in the '90s": "the summer of '69 in the '90s",
    "'night, 'tis, get 'em": "night tis get 'em",
    // Periods: abbreviations keep theirs, words at the end of a sentence do not.
    'Mr. and Mrs. Jones on Main St. at 5 p.m.': 'mr. and mrs. jones on main st. at 5 p.m.',
    'a dog. two cats. U.S.A.': 'a dog two cats u.s.a.',
    'St. Louis, Mo. vs. Kansas City': 'st. louis mo. vs. kansas city',
    // Marks.
    'A &amp; B it&apos;s &quot;this&quot; <that>': "a & b it 's this that",
    'wow!! what?! 🎉 😍dog': 'wow what dog',
    'a\u00ADb zero\u200Bwidth «quoted» ―dash': 'ab zero width quoted dash',
    '{one} (two) [three] -LRB-': 'one two three lrb',
    '10-year-old 3.5-inch 12/25/2010 5,000-mile': '10-year-old 3.5-inch 12/25/2010 5,000-mile',
  };
  for (const [caption, words] of Object.entries(table)) {
    it(`${caption} -> ${words}`, () => {
      expect(ptbTokenize(caption)).to.deep.equal(words.split(' '));
    });
  }

  it('loses no letter in any combination, and ignores case', () => {
    const random = new Random(3);
    const pieces = [
      'dog',
      "'s",
      "n't",
      'it',
      ' ',
      ' ',
      ',',
      '.',
      '-',
      "'",
      '"',
      '5',
      'u.s.',
      '(',
      ')',
      '/',
      'é',
      '&',
      '...',
    ];
    for (let i = 0; i < 2000; i++) {
      const caption = Array.from({ length: 8 }, () => pieces[random.integer(pieces.length)]).join('');
      const words = ptbTokenize(caption);
      for (const found of words)
        expect(found, caption)
          .to.match(/^\S+$/)
          .and.not.match(/^["().,?!:;{}[\]-]+$/);
      expect(ptbTokenize(caption.toUpperCase()), caption).to.deep.equal(words);
      // Letters and digits are neither lost nor made.
      expect(words.join('').replaceAll(/[^a-zé5]/g, ''), caption).to.equal(caption.replaceAll(/[^a-zé5]/g, ''));
    }
  });

  it('finds no words in punctuation', () => {
    for (const caption of ['', ' ', '.', ' . . . ', '--', "''", '"!?"']) {
      expect(ptbTokenize(caption), caption).to.deep.equal([]);
    }
  });
});
