import { expect } from 'chai';
import { ptbTokenize } from '../../lib/metrics/ptb.js';

describe('ptbTokenize', () => {
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
  };
  for (const [caption, words] of Object.entries(table)) {
    it(`${caption} -> ${words}`, () => {
      expect(ptbTokenize(caption)).to.deep.equal(words.split(' '));
    });
  }

  it('finds no words in punctuation', () => {
    for (const caption of ['', ' ', '.', ' . . . ', '--', "''", '"!?"']) {
      expect(ptbTokenize(caption), caption).to.deep.equal([]);
    }
  });
});
