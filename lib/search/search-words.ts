import type { SearchConfig } from '../config.js';
import { nearest } from '../config.js';
import { CaptionerError } from '../errors.js';
import { tokenize } from '../text/tokenizer.js';
import { Vocabulary } from '../text/vocabulary.js';

/** Maximum number of required words. The search takes longer in proportion. */
const maxRequired = 12;

/** Required and forbidden phrases, as token ids. */
export interface SearchWords {
  readonly required: readonly (readonly number[])[];
  readonly forbidden: readonly (readonly number[])[];
}

/**
 * Looks up the words that a config requires and forbids.
 * @throws CaptionerError `bad-option` for an unknown word (names the nearest known one), for a
 * phrase that is both required and forbidden, and for more required words than a caption can hold.
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
      `'${require[required.indexOf(phrase)]}' is required, but '${forbid[clash]}' is forbidden. Leave one of them out.`,
    );
  }
  const words = required.reduce((sum, { length }) => sum + length, 0);
  if (words > Math.min(maxRequired, maxLength)) {
    const limit = words > maxLength ? `but maxLength is ${maxLength}` : `but at most ${maxRequired} are possible`;
    throw new CaptionerError('bad-option', `${words} words are required, ${limit}. Require fewer.`);
  }
  return { required, forbidden };
}

function phraseOf(phrase: string, option: string, vocabulary: Vocabulary): number[] {
  const split = phrase.toLowerCase().split(/\s+/).filter(Boolean);
  // The tokenizer is loaded only if the phrase is more than known words separated by spaces.
  const words = split.length > 0 && split.every((word) => vocabulary.has(word)) ? split : tokenize(phrase);
  if (words.length === 0) throw new CaptionerError('bad-option', `${option}: '${phrase}' contains no words.`);
  return words.map((word) => {
    const id = vocabulary.id(word);
    if (id > Vocabulary.UNK) return id;
    const meant = nearest(word, vocabulary.words.slice(Vocabulary.SPECIALS));
    throw new CaptionerError(
      'bad-option',
      `${option}: '${word}' is not in the vocabulary.${meant === undefined ? '' : ` Did you mean '${meant}'?`}`,
    );
  });
}

function contains(tokens: readonly number[], phrase: readonly number[]): boolean {
  return tokens.some((_, at) => phrase.every((token, i) => tokens[at + i] === token));
}

/** English words that say nothing of a photo: a caption may repeat them. */
const english =
  "a an the of in on at to with and or is are by for from near next top front side its his her their it 's while as that this".split(
    ' ',
  );

const functionWordsOf = new WeakMap<Vocabulary, ReadonlySet<number>>();

/** The numbers of the function words that a vocabulary has. They are looked up once. */
export function functionWords(vocabulary: Vocabulary): ReadonlySet<number> {
  let words = functionWordsOf.get(vocabulary);
  if (!words) {
    words = new Set(english.filter((word) => vocabulary.has(word)).map((word) => vocabulary.id(word)));
    functionWordsOf.set(vocabulary, words);
  }
  return words;
}
