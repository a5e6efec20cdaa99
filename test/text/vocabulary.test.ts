import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { droppedWords, Vocabulary } from '../../lib/text/vocabulary.js';

const captions = ["a dog 's ball", 'a dog runs', 'a cat runs', 'the end'].map((caption) => caption.split(' '));
const specials = ['<pad>', '<start>', '<end>', '<unk>'];

describe('Vocabulary', () => {
  it('holds the specials, then words by count, then by their letters', () => {
    const vocabulary = Vocabulary.build(captions, { minCount: 1, maxSize: 100 });
    expect(vocabulary.words).to.deep.equal([...specials, 'a', 'dog', 'runs', "'s", 'ball', 'cat', 'end', 'the']);
    expect(vocabulary.counts).to.deep.equal([0, 4, 4, 0, 3, 2, 2, 1, 1, 1, 1, 1]);
    expect(vocabulary.size).to.equal(12);
    expect([Vocabulary.PAD, Vocabulary.START, Vocabulary.END, Vocabulary.UNK]).to.deep.equal([0, 1, 2, 3]);
  });

  it('is the same for any order of the captions', () => {
    const random = new Random(3);
    const once = Vocabulary.build(captions, { minCount: 1, maxSize: 8 });
    for (let i = 0; i < 10; i++) {
      const again = Vocabulary.build(random.shuffle([...captions]), { minCount: 1, maxSize: 8 });
      expect(again.words).to.deep.equal(once.words);
    }
  });

  it('leaves out rare words, and all but the most frequent', () => {
    const frequent = Vocabulary.build(captions, { minCount: 2, maxSize: 100 });
    expect(frequent.words.slice(4)).to.deep.equal(['a', 'dog', 'runs']);
    expect(frequent.coverage).to.deep.equal({ share: 1 - 5 / 12, tokens: 12, unknown: 5 });
    expect(droppedWords(captions, frequent)).to.deep.equal([
      ["'s", 1],
      ['ball', 1],
      ['cat', 1],
      ['end', 1],
      ['the', 1],
    ]);
    expect(Vocabulary.build(captions, { minCount: 1, maxSize: 5 }).words).to.deep.equal([...specials, 'a']);
  });

  it('holds only the specials without captions', () => {
    const vocabulary = Vocabulary.build([], { minCount: 1, maxSize: 100 });
    expect(vocabulary.words).to.deep.equal(specials);
    expect(vocabulary.coverage.share).to.equal(1);
  });

  it('never includes a word that is spelt like a special', () => {
    const vocabulary = Vocabulary.build([['<end>', 'a', 'constructor']], { minCount: 1, maxSize: 100 });
    expect(vocabulary.words).to.deep.equal([...specials, 'a', 'constructor']);
    expect(vocabulary.id('toString')).to.equal(Vocabulary.UNK);
  });

  it('encodes words, unknown ones as <unk> or as their replacement', () => {
    const vocabulary = Vocabulary.build(captions, { minCount: 2, maxSize: 100 });
    expect(vocabulary.encode(['a', 'cat', 'runs'])).to.deep.equal([4, 3, 6]);
    const similar = (word: string) => ({ cat: 'dog', end: 'nothing' })[word];
    expect(vocabulary.encode(['a', 'cat', 'runs', 'end', 'the'], similar)).to.deep.equal([4, 5, 6, 3, 3]);
  });

  it('decodes up to <end>, without specials, with clitics joined', () => {
    const words = "a man 's dog do n't it".split(' ');
    const vocabulary = Vocabulary.build([words], { minCount: 1, maxSize: 100 });
    const ids = vocabulary.encode(words);
    const { PAD, START, END, UNK } = Vocabulary;
    expect(vocabulary.decode([START, ...ids.slice(0, 4), UNK, ...ids.slice(4, 6), PAD, END, ids[0]])).to.equal(
      "a man's dog don't",
    );
    expect(vocabulary.decode(new Int32Array(0))).to.equal('');
    expect(() => vocabulary.decode([99]))
      .to.throw(CaptionerError, 'no word 99')
      .with.property('code', 'mismatch');
  });

  it('survives JSON', () => {
    const vocabulary = Vocabulary.build(captions, { minCount: 1, maxSize: 100 });
    const again = Vocabulary.fromJSON(JSON.parse(JSON.stringify(vocabulary)));
    expect(again.words).to.deep.equal(vocabulary.words);
    expect(again.counts).to.deep.equal(vocabulary.counts);
    expect(again.encode(['cat', 'cow'])).to.deep.equal(vocabulary.encode(['cat', 'cow']));
  });

  for (const [json, problem] of [
    [null, 'not a list'],
    [{}, 'not a list'],
    [{ words: [...specials, 3], counts: [0, 0, 0, 0, 0] }, 'not a list'],
    [{ words: ['a', 'b'], counts: [1, 1] }, 'begin with <pad>'],
    [{ words: [...specials, 'a', 'a'], counts: [0, 0, 0, 0, 1, 1] }, '"a" is in "words" twice'],
    [{ words: specials, counts: [0, 0] }, 'a number for each'],
    [{ words: specials }, 'a number for each'],
    [{ words: specials, counts: [0, 0, 0, -1] }, 'not a count'],
  ] as const) {
    it(`refuses ${JSON.stringify(json)}`, () => {
      expect(() => Vocabulary.fromJSON(json))
        .to.throw(CaptionerError, problem)
        .with.property('code', 'corrupt');
    });
  }
});
