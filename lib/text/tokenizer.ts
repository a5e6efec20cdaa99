import { createRequire } from 'node:module';
import type WinkNLP from 'wink-nlp';
import type { ItemToken } from 'wink-nlp';
import { segmentWords, separateWords } from './scripts.js';

/**
 * Splits a caption into the words that a decoder learns to write: wink-nlp's tokens, lower case, without punctuation.
 *
 * Clitics are words of their own, as in the Penn Treebank: man 's, do n't, ca n't, it 's, i 'm. Where wink differs from the
 * Treebank's rules, which the scores use (`ptbTokenize` in metrics/), its tokens are mended if that is simple:
 * - hyphenated words stay whole (t-shirt, merry-go-round); wink keeps only some (x-ray, mid-air);
 * - `i'm` is split; `;dog` and `:dog` begin no emoticon; typographic apostrophes and hyphens count as plain ones.
 *
 * Other languages: letters and marks of all scripts are kept, in Unicode's composed form. Chinese, Japanese, Thai, Lao, Khmer and Burmese, which have no
 * spaces, are split by dictionaries (`separateWords`). Words with letters that wink does not know (beyond Latin-1) are those of Unicode's rules.
 * An emoji is a word.
 *
 * These differences from the Treebank stay, all rare in captions:
 * - marks without a letter or digit are dropped (& # $ %; the Treebank keeps them);
 * - words joined by a slash are two (mother daughter; one in the Treebank);
 * - gonna, wanna, gotta, lemme, gimme are one word (gon na); letters after a number are a word of their own (10 k).
 *
 * The model (about 0.2 s to load) is loaded by the first call; after that 40,000 captions take about a second.
 */
export function tokenize(caption: string): string[] {
  const text = caption
    .normalize('NFC')
    .toLowerCase()
    .replace(/[‘’ʼ´`]/g, "'")
    .replace(/[‐‑]/g, '-');
  const parts = hasEmoji.test(text) ? text.split(emoji) : [text];
  return parts.flatMap((part, i) => (i % 2 ? [part] : wordsOf(part)));
}

/** Emoji as people see them, flags and families included. (The flag v is newer than the language level of the build.) */
const emoji = new RegExp(String.raw`(\p{RGI_Emoji})`, 'v');
const hasEmoji = /\p{Extended_Pictographic}|\p{Regional_Indicator}/u;

function wordsOf(text: string): string[] {
  return /[^\0-\u00FF‘-‟]/.test(text) && /[\p{L}\p{M}]/u.test(text.replace(/[\0-\u00FF]/g, ''))
    ? joinHyphens(segmentTokens(separateWords(text)))
    : joinHyphens(winkTokens(text.replace(/;|:(?!\d)/g, ' ')));
}

/** A token, and whether it follows the one before without a space. */
type Token = readonly [value: string, touches: boolean];

function winkTokens(text: string): Token[] {
  const { readDoc, its } = (wink ??= loadWink());
  const tokens: Token[] = [];
  readDoc(text)
    .tokens()
    .each((token: ItemToken) => {
      tokens.push([token.out(), token.out(its.precedingSpaces) === '']);
    });
  return tokens;
}

/** Words, and hyphens between them, of a text whose words have spaces between. */
function segmentTokens(text: string): Token[] {
  return text.split(/\s+/).flatMap((chunk) =>
    chunk
      .split(/(-)/)
      .flatMap((part) => (part === '-' ? [part] : segmentWords(part)))
      .map((value, i): Token => [value, i > 0]),
  );
}

/** Lower-cased words with clitics split off, and those that hyphens join as one. */
function joinHyphens(tokens: readonly Token[]): string[] {
  const words: string[] = [];
  let open = false; // the token before was a word that a hyphen may lengthen
  let hyphen = false; // the token before was a hyphen right behind such a word
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

/** What wink leaves joined: i'm. */
function splitClitic(word: string): string[] {
  const parts = /^(.+?)('(?:s|m|d|re|ve|ll)|n't)$/.exec(word);
  return parts ? [parts[1], parts[2]] : [word];
}

let wink: ReturnType<typeof WinkNLP> | undefined;

/** Only the tokenizer of wink's pipeline: no sentences, no parts of speech. */
function loadWink(): ReturnType<typeof WinkNLP> {
  const require = createRequire(import.meta.url);
  const winkNLP = require('wink-nlp') as typeof WinkNLP;
  return winkNLP(require('wink-eng-lite-web-model') as Parameters<typeof WinkNLP>[0], []);
}
