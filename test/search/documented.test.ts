import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { resolveSearch } from '../../lib/search/search-config.js';
import { documentedCaptions, documentedDecoder } from './documented.js';

const page = readFileSync(new URL('../../docs/search.md', import.meta.url), 'utf8');
const cells = (line: string) => line.split('|').map((cell) => cell.trim());

/** The options of a row such as `--beam 3 --n 3`. */
function optionsOf(flags: string): Record<string, unknown> {
  const words = flags.split(/\s+/);
  const pairs = Array.from({ length: words.length / 2 }, (_, i): [string, unknown] => {
    const name = words[2 * i].slice(2).replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
    const value = words[2 * i + 1];
    if (name === 'require' || name === 'forbid') return [name, [value]];
    return [name, Number.isNaN(Number(value)) ? value : Number(value)];
  });
  return Object.fromEntries(pairs);
}

describe('docs/search.md', () => {
  it('shows the decoder of its examples', () => {
    for (const [prefix, next] of Object.entries(documentedDecoder)) {
      const row = page.split('\n').find((line) => cells(line)[1] === (prefix || '(empty)'));
      const words = Object.entries(next).map(
        ([word, p]) => `${word.replace(/[<>]/g, '')} ${String(p).replace(/^0/, '')}`,
      );
      expect(cells(row!)[2]).to.equal(words.join(', '));
    }
  });

  const examples = page.split('\n').filter((line) => /^\| `--.*\(0\.\d{3}\)/.test(line));

  it('has examples', () => {
    expect(examples).to.have.length.of.at.least(8);
  });

  for (const line of examples) {
    const [, flags, captions] = cells(line);
    it(`shows the captions of ${flags}`, async () => {
      expect(await documentedCaptions(resolveSearch(optionsOf(flags.replace(/`/g, ''))))).to.equal(captions);
    });
  }
});
