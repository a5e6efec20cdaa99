import { parseConfig, SearchConfig } from '../../lib/config.js';
import { searchCaptions } from '../../lib/search/search.js';
import { probability, type Stepper } from '../../lib/search/stepper.js';
import { Vocabulary } from '../../lib/text/vocabulary.js';

/** The decoder of docs/search.md: p of each next word after a prefix. After any other prefix, `<end>`. */
export const documentedDecoder: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '': { a: 0.6, the: 0.4 },
  a: { dog: 0.5, brown: 0.4, man: 0.1 },
  the: { dog: 0.9, man: 0.1 },
  'a dog': { runs: 0.5, sits: 0.3, '<end>': 0.2 },
  'a brown': { dog: 1 },
  'a brown dog': { runs: 0.8, '<end>': 0.2 },
  'the dog': { sits: 0.6, runs: 0.4 },
  'a man': { sits: 1 },
  'the man': { runs: 1 },
};

const vocabulary = Vocabulary.build([['a', 'the', 'dog', 'brown', 'man', 'runs', 'sits']], {
  minCount: 1,
  maxSize: 100,
});

const stepper: Stepper<readonly (readonly number[])[]> = {
  vocabularySize: vocabulary.size,
  start: (_, rows) => Promise.resolve(Array.from({ length: rows }, () => [])),
  step: (state, tokens) => {
    const next = state.map((prefix, row) => (tokens[row] === Vocabulary.START ? prefix : [...prefix, tokens[row]]));
    const logProbabilities = new Float32Array(next.length * vocabulary.size).fill(-Infinity);
    for (const [row, prefix] of next.entries()) {
      const text = prefix.map((token) => vocabulary.words[token]).join(' ');
      for (const [word, p] of Object.entries(documentedDecoder[text] ?? { '<end>': 1 })) {
        logProbabilities[row * vocabulary.size + (word === '<end>' ? Vocabulary.END : vocabulary.id(word))] =
          Math.log(p);
      }
    }
    return Promise.resolve({ logProbabilities, state: next });
  },
  gather: (state, rows) => Array.from(rows, (row) => state[row]),
};

/** The captions that a search finds, as docs/search.md shows them: `the dog sits (0.216)`. */
export async function documentedCaptions(search: Partial<SearchConfig>): Promise<string> {
  const config = parseConfig(SearchConfig, search);
  const [captions] = await searchCaptions(stepper, vocabulary, Float32Array.of(1), 1, config);
  return captions
    .map((caption) => {
      const text = caption.tokens.map((token) => vocabulary.words[token]).join(' ');
      return `${text} (${probability(caption).toFixed(3)})`;
    })
    .join(', ');
}
