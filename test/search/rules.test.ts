import { expect } from 'chai';
import { parseConfig, SearchConfig } from '../../lib/config.js';
import {
  forbidden,
  minLength,
  noRepeatNgram,
  noRepeatWords,
  type ScoreProcessor,
} from '../../lib/search/processors.js';
import { Requirements } from '../../lib/search/requirements.js';
import { searchCaptions } from '../../lib/search/search.js';
import { CaptionerError } from '../../lib/errors.js';
import { Random } from '../../lib/random.js';
import { everyCaption } from './exhaustive.js';
import { A, B, C, END, randomStepper, tableStepper, vocabularyOf, type CountingStepper } from './table.js';

const one = Float32Array.of(0);
const UNK = 3;

/** The words that a processor leaves after a prefix, of <end>, <unk>, a, b, c. */
function left(process: ScoreProcessor, tokens: readonly number[]): number[] {
  const scores = new Float32Array(7);
  process(scores, { tokens });
  return [...scores.keys()].slice(END).filter((token) => scores[token] > -Infinity);
}

const everything = [END, UNK, A, B, C];
const without = (...tokens: number[]) => everything.filter((token) => !tokens.includes(token));

describe('score processors', () => {
  it('minLength lets no caption end earlier', () => {
    expect(left(minLength(2), [])).to.deep.equal(without(END));
    expect(left(minLength(2), [A])).to.deep.equal(without(END));
    expect(left(minLength(2), [A, B])).to.deep.equal(everything);
    expect(left(minLength(0), [])).to.deep.equal(everything);
  });

  it('noRepeatWords lets only function words and required words repeat', () => {
    expect(left(noRepeatWords(new Set([A])), [A, B, A])).to.deep.equal(without(B));
    expect(left(noRepeatWords(new Set()), [A, C])).to.deep.equal(without(A, C));
    expect(left(noRepeatWords(new Set(), () => [C]), [A, C])).to.deep.equal(without(A)); // prettier-ignore
    expect(left(noRepeatWords(new Set()), [])).to.deep.equal(everything);
  });

  it('noRepeatNgram lets no sequence repeat', () => {
    expect(left(noRepeatNgram(1), [A, C, A])).to.deep.equal(without(A, C));
    expect(left(noRepeatNgram(2), [A, B, C, A])).to.deep.equal(without(B));
    expect(left(noRepeatNgram(2), [A, B, A, C, A])).to.deep.equal(without(B, C));
    expect(left(noRepeatNgram(2), [A, A])).to.deep.equal(without(A));
    expect(left(noRepeatNgram(3), [A, B, C, A])).to.deep.equal(everything);
    expect(left(noRepeatNgram(3), [A, B, C, A, B])).to.deep.equal(without(C));
    expect(left(noRepeatNgram(3), [A])).to.deep.equal(everything);
    expect(
      left(
        noRepeatNgram(1, () => [C]),
        [A, C],
      ),
    ).to.deep.equal(without(A));
  });

  it('forbidden excludes words and phrases', () => {
    expect(left(forbidden([[B]]), [])).to.deep.equal(without(B));
    expect(left(forbidden([[A, B, C]]), [B])).to.deep.equal(everything);
    expect(left(forbidden([[A, B, C]]), [C, A, B])).to.deep.equal(without(C));
    expect(
      left(
        forbidden([
          [A, B],
          [A, C],
        ]),
        [A],
      ),
    ).to.deep.equal(without(B, C));
  });

  it('leave the other scores alone', () => {
    const scores = Float32Array.from({ length: 7 }, (_, i) => -1 - i);
    for (const process of [minLength(4), noRepeatNgram(2), forbidden([[B]])]) process(scores, { tokens: [A, C, A] });
    expect([...scores]).to.deep.equal([-1, -2, -Infinity, -4, -5, -Infinity, -Infinity]);
  });
});

describe('Requirements', () => {
  const both = new Requirements([[A], [B, C]]);

  it('count the progress of a prefix', () => {
    expect(both.total).to.equal(3);
    expect(
      [[], [A], [B], [A, B], [B, A], [B, C], [B, C, B], [C, A], [B, C, A], [A, B, B, C]].map((t) => both.met(t)),
    ).to.deep.equal([0, 1, 1, 2, 1, 2, 2, 1, 3, 3]);
  });

  it('know the next words', () => {
    expect(both.nextWords([])).to.deep.equal([A, B]);
    expect(both.nextWords([B])).to.deep.equal([A, C]);
    expect(both.nextWords([A])).to.deep.equal([B]);
    expect(both.nextWords([B, C, A])).to.deep.equal([]);
  });

  it('continue from the longest part that a prefix ends with', () => {
    const phrase = new Requirements([[A, A, B]]);
    expect([[A], [A, A], [A, A, A], [B, A]].map((tokens) => phrase.met(tokens))).to.deep.equal([1, 2, 2, 1]);
    expect(phrase.nextWords([A, A, A])).to.deep.equal([B]);
  });

  it('leave out words within another phrase', () => {
    expect(new Requirements([[B], [A, B], [A, B], [C]]).phrases).to.deep.equal([[A, B], [C]]);
  });
});

describe('captions of a search with rules', () => {
  const texts = (tokens: readonly number[]) => tokens.map((token) => 'abcdef'[token - A]).join(' ');
  const has = (text: string, phrase: string) => ` ${text} `.includes(` ${phrase} `);
  const repeats = (tokens: readonly number[], size: number) => {
    const grams = tokens.slice(size - 1).map((_, i) => tokens.slice(i, i + size).join());
    return new Set(grams).size < grams.length;
  };

  /** Whether a config allows a caption. */
  function allowed(tokens: readonly number[], { minLength, noRepeatNgram, forbid, require }: SearchConfig): boolean {
    const text = texts(tokens);
    return (
      tokens.length >= minLength &&
      !(noRepeatNgram > 0 && repeats(tokens, noRepeatNgram)) &&
      !forbid.some((phrase) => has(text, phrase)) &&
      require.every((phrase) => has(text, phrase))
    );
  }

  const search = (stepper: CountingStepper, words: number, features: Float32Array, config: Partial<SearchConfig>) =>
    searchCaptions(stepper, vocabularyOf(words), features, features.length, parseConfig(SearchConfig, config));

  it('are the best that the rules allow, if the beam is wide enough', async () => {
    const random = new Random(5);
    const pick = <T>(...choices: T[]) => choices[random.integer(choices.length)];
    for (let seed = 1; seed <= 40; seed++) {
      const requires = seed % 2 === 0;
      const config = parseConfig(SearchConfig, {
        beam: 150,
        n: 5,
        maxLength: 4,
        lengthPenalty: pick(0, 0.7, 1),
        minLength: pick(0, 2, 3),
        // What is required may be a repetition: that has a test of its own.
        noRepeatNgram: requires ? 0 : pick(0, 1, 2),
        forbid: pick<string[]>([], ['b'], ['a b', 'c c']),
        require: requires ? pick<string[]>(['a'], ['c a'], ['c', 'a c'], ['a', 'c']) : [],
      });
      const stepper = randomStepper(seed, 3, 1.5);
      const [found] = await search(stepper, 3, one, config);
      const best = everyCaption(stepper, 0, config).filter(({ tokens }) => allowed(tokens, config));
      const finished = found.filter((caption) => caption.finished);
      expect(
        finished.map(({ tokens }) => texts(tokens)),
        JSON.stringify(config),
      ).to.deep.equal(best.slice(0, 5).map(({ tokens }) => texts(tokens)));
      for (const { tokens, finished } of found) {
        // A caption after which no word is allowed is left as short as it is.
        const rules = finished ? config : { ...config, minLength: 0 };
        expect(allowed(tokens, rules), JSON.stringify([tokens, config])).to.equal(true);
      }
    }
  });

  for (const values of [
    { method: 'beam', beam: 3, n: 3 },
    { method: 'beam', beam: 1 },
    { method: 'diverse', beam: 4, n: 2 },
    { method: 'sample', n: 3 },
    { method: 'stochastic', beam: 3, n: 3 },
  ] as Partial<SearchConfig>[]) {
    it(`keep to them, whatever the beam: ${JSON.stringify(values)}`, async () => {
      const random = new Random(6);
      const pick = <T>(...choices: T[]) => choices[random.integer(choices.length)];
      const mayRequire = values.method === 'beam' || values.method === 'diverse';
      for (let seed = 1; seed <= 60; seed++) {
        const config = parseConfig(SearchConfig, {
          ...values,
          seed,
          maxLength: 6,
          minLength: pick(0, 3),
          noRepeatNgram: pick(0, 1, 2),
          forbid: pick<string[]>([], ['b'], ['a b', 'd'], ['f e']),
          require: mayRequire ? pick<string[]>([], ['a'], ['c a'], ['f', 'a c'], ['e f a', 'c']) : [],
        });
        const stepper = randomStepper(seed, 6, 2);
        const found = await search(stepper, 6, Float32Array.of(0, 1, 2), config);
        // A word that is required may come although it is there already.
        const rules = { ...config, noRepeatNgram: config.require.length > 0 ? 0 : config.noRepeatNgram };
        for (const { tokens } of found.flat()) expect(allowed(tokens, rules), JSON.stringify(config)).to.equal(true);
        for (const captions of found) expect(captions).to.not.have.length(0);
        expect(stepper.alive.size).to.equal(0);
      }
    });
  }

  it('have required words even if unlikely, in the most likely place', async () => {
    const stepper = tableStepper([
      {
        '': { a: 0.99, c: 0.01 },
        a: { '<end>': 0.9, b: 0.09, c: 0.01 },
        'a b': { '<end>': 0.5, c: 0.5 },
        'a b c': { '<end>': 1 },
        'a c': { '<end>': 1 },
        c: { '<end>': 1 },
      },
    ]);
    const captions = async (config: Partial<SearchConfig>) =>
      (await search(stepper, 3, one, { beam: 1, lengthPenalty: 0, ...config }))[0].map(({ tokens }) => texts(tokens));
    expect(await captions({})).to.deep.equal(['a']);
    // a b c at .045, c at .01, a c at .0099
    expect(await captions({ require: ['c'], beam: 3, n: 3 })).to.deep.equal(['a b c', 'c', 'a c']);
    expect(await captions({ require: ['c'] })).to.deep.equal(['a b c']);
    expect(await captions({ require: ['a c'], forbid: ['b'] })).to.deep.equal(['a c']);
  });

  it('may repeat what a phrase needs', async () => {
    const stepper = randomStepper(2, 3, 1);
    const config = { require: ['a b a'], noRepeatNgram: 1, maxLength: 4 };
    const [[{ tokens }]] = await search(stepper, 3, one, config);
    expect(texts(tokens)).to.match(/^(c )?a b a( c)?$/);
  });

  it('have <unk> only if it is allowed', async () => {
    const stepper = tableStepper([{ '': { '<unk>': 0.9, a: 0.1 }, '<unk>': { '<end>': 1 }, a: { '<end>': 1 } }]);
    for (const method of SearchConfig.shape.method.unwrap().options) {
      const [[plain]] = await search(stepper, 3, one, { method, beam: 1 });
      expect(plain.tokens).to.deep.equal([A]);
      const [found] = await search(stepper, 3, one, { method, beam: 2, n: 2, unknown: true });
      expect(found[0].tokens, method).to.deep.equal([UNK]);
    }
  });

  it('are an error if none can have the required words', async () => {
    const stepper = tableStepper([{ '': { a: 1 }, a: { '<end>': 1 } }]);
    const error = await search(stepper, 3, one, { require: ['c'] }).catch((reason: unknown) => reason);
    expect(error).to.be.instanceOf(CaptionerError).with.property('code', 'bad-option');
    expect((error as Error).message).to.contain('(c)');
  });
});
