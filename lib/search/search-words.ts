import type { SearchConfig } from '../config.js';
import { nearest } from '../config.js';
import { CaptionerError } from '../errors.js';
import { tokenize } from '../text/tokenizer.js';
import { Vocabulary } from '../text/vocabulary.js';

/** Words that may be required of a caption: the search takes as much longer as there are. */
const mostRequired = 12;

/** The words that a search shall or shall not write, by number. */
export interface SearchWords {
  readonly required: readonly (readonly number[])[];
  readonly forbidden: readonly (readonly number[])[];
}

/**
 * Finds the words that a config requires and forbids.
 * @throws CaptionerError `bad-option`: a word that the captioner does not know, with the nearest one that it does; one that is
 *   both required and forbidden; more words than fit into a caption.
 */
export function searchWords(
  { require, forbid, maxLength }: Pick<SearchConfig, 'require' | 'forbid' | 'maxLength'>,
  vocabulary: Vocabulary,
): SearchWords {
  const required = require.map((phrase) => phraseOf(phrase, 'require', vocabulary));
  const forbidden = forbid.map((phrase) => phraseOf(phrase, 'forbid', vocabulary));
  for (const phrase of required) {
    const clash = forbidden.findIndex((other) => contains(phrase, other));
    if (clash < 0) continue;
    throw new CaptionerError(
      'bad-option',
      `'${forbid[clash]}' is forbidden, but '${require[required.indexOf(phrase)]}' is required: leave one of them out.`,
    );
  }
  const words = required.reduce((sum, { length }) => sum + length, 0);
  if (words > Math.min(mostRequired, maxLength)) {
    const limit = words > maxLength ? `more than maxLength, ${maxLength}` : `more than ${mostRequired}`;
    throw new CaptionerError('bad-option', `${words} words are required, ${limit}: require fewer.`);
  }
  return { required, forbidden };
}

function phraseOf(phrase: string, option: string, vocabulary: Vocabulary): number[] {
  const split = phrase.toLowerCase().split(/\s+/).filter(Boolean);
  // The tokenizer is only loaded for what is not simply known words with spaces between.
  const words = split.length > 0 && split.every((word) => vocabulary.has(word)) ? split : tokenize(phrase);
  if (words.length === 0) throw new CaptionerError('bad-option', `${option}: '${phrase}' has no words.`);
  return words.map((word) => {
    const id = vocabulary.id(word);
    if (id > Vocabulary.UNK) return id;
    const meant = nearest(word, vocabulary.words.slice(Vocabulary.SPECIALS));
    throw new CaptionerError(
      'bad-option',
      `${option}: this captioner does not know the word '${word}'${meant === undefined ? '.' : `; did you mean '${meant}'?`}`,
    );
  });
}

function contains(tokens: readonly number[], phrase: readonly number[]): boolean {
  return tokens.some((_, at) => phrase.every((token, i) => tokens[at + i] === token));
}
