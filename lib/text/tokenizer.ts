import type WinkNLP from 'wink-nlp';
import type { ItemToken } from 'wink-nlp';
import { segmentWords, separateWords } from './scripts.js';

/**
 * Splits a caption into the words that a decoder learns to write: wink-nlp's tokens in lower case,
 * without punctuation.
 *
 * Clitics are separate words, as in the Penn Treebank: man 's, do n't, ca n't, it 's, i 'm. The
 * scores follow the Treebank's rules (`ptbTokenize` in metrics/). Where wink differs from them and
 * the correction is simple, its tokens are corrected:
 * - Hyphenated words stay whole (t-shirt, merry-go-round). wink keeps only some of them (x-ray,
 *   mid-air).
 * - `i'm` is split. `;dog` and `:dog` do not begin an emoticon. Typographic apostrophes and hyphens
 *   count as plain ones.
 *
 * Other languages: letters and marks of all scripts are kept, in Unicode's composed form. Chinese,
 * Japanese, Thai, Lao, Khmer and Burmese are written without spaces; dictionaries split them
 * (`separateWords`). Words with letters that wink does not know (beyond Latin-1) are split by
 * Unicode's rules. An emoji is a word.
 *
 * These differences from the Treebank remain; all are rare in captions:
 * - Marks without a letter or digit are dropped (& # $ %); the Treebank keeps them.
 * - Words joined by a slash are two words (mother daughter); the Treebank has one.
 * - gonna, wanna, gotta, lemme and gimme are one word (the Treebank has gon na). Letters after a
 *   number are a separate word (10 k).
 *
 * In a browser, words are those of Unicode's rules: the words that a search requires or forbids come
 * out the same unless they are slang or contractions without an apostrophe (gimme, cant).
 *
 * The first call loads the model (about 0.2 s); after that, 40,000 captions take about a second.
 */
export function tokenize(caption: string): string[] {
  const text = caption
    .normalize('NFC')
    .toLowerCase()
    .replace(/[‘’ʼ´`]/g, "'")
    .replace(/[‐‑]/g, '-');
  const parts = hasEmoji.test(text) ? text.split((emoji ??= anyEmoji())) : [text];
  return parts.flatMap((part, i) => (i % 2 ? [part] : wordsOf(part)));
}

/**
 * Emoji as people see them, including flags and families. (The flag v is newer than the language
 * level of the build.) Made when it is needed: it has thousands of alternatives.
 */
const anyEmoji = () => new RegExp(String.raw`(\p{RGI_Emoji})`, 'v');
let emoji: RegExp | undefined;
const hasEmoji = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;

function wordsOf(text: string): string[] {
  return /[^\0-\u00FF‘-‟]/.test(text) && /[\p{L}\p{M}]/u.test(text.replace(/[\0-\u00FF]/g, ''))
    ? joinHyphens(segmentTokens(separateWords(text)))
    : joinHyphens(englishTokens(text.replace(/;|:(?!\d)/g, ' ')));
}

/** A token, and whether it follows the previous one without a space. */
type Token = readonly [value: string, touches: boolean];

function englishTokens(text: string): Token[] {
  wink ??= loadWink();
  return wink ? winkTokens(text, wink) : segmentTokens(text);
}

function winkTokens(text: string, { readDoc, its }: ReturnType<typeof WinkNLP>): Token[] {
  const tokens: Token[] = [];
  readDoc(text)
    .tokens()
    .each((token: ItemToken) => {
      tokens.push([token.out(), token.out(its.precedingSpaces) === '']);
    });
  return tokens;
}

/** Words and the hyphens between them, in a text that separates words by spaces. */
function segmentTokens(text: string): Token[] {
  return text.split(/\s+/).flatMap((chunk) =>
    chunk
      .split(/(-)/)
      .flatMap((part) => (part === '-' ? [part] : segmentWords(part)))
      .map((value, i): Token => [value, i > 0]),
  );
}

/** Lower-cased words, with clitics split off and hyphenated words joined. */
function joinHyphens(tokens: readonly Token[]): string[] {
  const words: string[] = [];
  let open = false; // the previous token was a word that a hyphen may extend
  let hyphen = false; // the previous token was a hyphen right after such a word
  for (const [value, touches] of tokens) {
    if (/[\p{L}\p{N}]/u.test(value)) {
      if (hyphen && touches) words[words.length - 1] += `-${value}`;
      else words.push(...splitClitic(value));
      open = !/^'|n't$/.test(value);
      hyphen = false;
    } else {
      hyphen = value === '-' && touches && open;
      open = false;
    }
  }
  return words;
}

/** Splits the clitics that wink leaves joined, as in i'm. */
function splitClitic(word: string): string[] {
  const parts = /^(.+?)('(?:s|m|d|re|ve|ll)|n't)$/.exec(word);
  return parts ? [parts[1], parts[2]] : [word];
}

let wink: ReturnType<typeof WinkNLP> | undefined;

/**
 * Loads wink's pipeline with the tokenizer alone: no sentences, no parts of speech. In a browser it
 * is left out, as it takes several megabytes.
 */
function loadWink(): ReturnType<typeof WinkNLP> | undefined {
  const require = globalThis.process?.getBuiltinModule?.('node:module').createRequire(import.meta.url);
  if (!require) return undefined;
  const winkNLP = require('wink-nlp') as typeof WinkNLP;
  return winkNLP(require('wink-eng-lite-web-model') as Parameters<typeof WinkNLP>[0], []);
}
