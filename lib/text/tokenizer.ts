import { createRequire } from 'node:module';
import type WinkNLP from 'wink-nlp';
import type { ItemToken } from 'wink-nlp';

/**
 * Splits a caption into the words that a decoder learns to write: wink-nlp's tokens, lower case, without punctuation.
 *
 * Clitics are words of their own, as in the Penn Treebank: man 's, do n't, ca n't, it 's, i 'm. Where wink differs from the
 * Treebank's rules, which the scores use (`ptbTokenize` in metrics/), its tokens are mended if that is simple:
 * - hyphenated words stay whole (t-shirt, merry-go-round); wink keeps only some (x-ray, mid-air);
 * - `i'm` is split; `;dog` and `:dog` begin no emoticon; typographic apostrophes and hyphens count as plain ones.
 *
 * These differences stay, all rare in captions:
 * - everything without a letter or digit is dropped (& # $ % and emoji; the Treebank keeps them);
 * - words joined by a slash are two (mother daughter; one in the Treebank);
 * - gonna, wanna, gotta, lemme, gimme are one word (gon na); letters after a number are a word of their own (10 k).
 *
 * The model (about 0.2 s to load) is loaded by the first call; after that 40,000 captions take about a second.
 */
export function tokenize(caption: string): string[] {
  const { readDoc, its } = (wink ??= loadWink());
  const text = caption
    .normalize('NFC')
    .toLowerCase()
    .replace(/[‘’ʼ´`]/g, "'")
    .replace(/[‐‑]/g, '-')
    .replace(/;|:(?!\d)/g, ' ');
  const words: string[] = [];
  let open = false; // the token before was a word that a hyphen may lengthen
  let hyphen = false; // the token before was a hyphen right behind such a word
  readDoc(text)
    .tokens()
    .each((token: ItemToken) => {
      const value = token.out();
      const touches = token.out(its.precedingSpaces) === '';
      if (/[\p{L}\p{N}]/u.test(value)) {
        if (hyphen && touches) words[words.length - 1] += `-${value}`;
        else words.push(...splitClitic(value));
        open = !/^'|n't$/.test(value);
        hyphen = false;
      } else {
        hyphen = value === '-' && touches && open;
        open = false;
      }
    });
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
