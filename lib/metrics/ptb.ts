import { separateWords } from '../text/scripts.js';

/**
 * Punctuation that the COCO caption evaluation drops, besides dashes and dots of any length.
 * Brackets stand for its `-LRB-` and so on; other signs (& # $ %) are words.
 */
const dropped = new Set([...`"'().?!,:-;{}[]<>`, '`', "''", '``']);

const letter = String.raw`[\p{L}\p{M}]`;
const word = String.raw`[\p{L}\p{N}\p{M}]+`;
const number = String.raw`\d+(?:[.,:]\d+)+`;
const clitic = String.raw`'(?:s|m|d|re|ve|ll)(?![\p{L}\p{N}])`;

/**
 * Words with an inner apostrophe that the lexer keeps whole: o'clock and d'avignon, ma'am and
 * shi'ite, and those of its list.
 */
const apostrophised = [
  String.raw`[dol]'${word}`,
  `${letter}+[aeiouy]'(?!${clitic.slice(1)})[aeiou]${letter}*`,
  "(?:cap'n|c'mon|c'est|cont'd|e'er|ev'ry|li'l|nat'l|nor'easter|s'mores)(?![\\p{L}\\p{N}])",
].join('|');
const part = `(?:${apostrophised}|${number}|${word})`;

/**
 * Abbreviations that keep their period: titles, streets, months and days, states, companies, units.
 */
const abbreviations = [
  'mr mrs ms dr drs prof sen rep gov st ste ave blvd rd mt ft lt col gen adm rev maj sgt cpl pvt capt pres hon jr sr bros esq',
  'jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri',
  'ala ariz calif colo conn fla ga ind kan kans ky la md mich minn mo mont neb nev okla pa penn tenn tex va vt wis wisc wyo',
  'inc co cos corp ltd plc dept assn univ intl etc al vs no nos tel est ext sq',
]
  .join('|')
  .replaceAll(' ', '|');

/** One token of a lower-cased text. The first alternative that matches wins. */
const token = new RegExp(
  [
    String.raw`https?:\/\/[^\s<>]*[^\s<>.!?,;:'")]`,
    String.raw`www\.[^\s<>]*[^\s<>.!?,;:'")]`,
    String.raw`[\w.%+-]+@[a-z0-9-]+(?:\.[a-z0-9-]+)+`,
    String.raw`[@#][a-z_]\w*`,
    String.raw`[a-z](?:\.[a-z])+(?![\p{L}\p{N}])\.?`, // u.s., p.m.
    String.raw`(?:${abbreviations})\.`,
    clitic,
    String.raw`n't(?![\p{L}\p{N}])`,
    String.raw`'n'|'(?:n|em|till?|cause|twas|\d0s)(?![\p{L}\p{N}])`, // rock 'n' roll, '90s
    String.raw`'\d\d(?!\S)`, // summer of '69
    String.raw`y'(?=\p{L})`, // y'all
    String.raw`[\p{L}\p{M}]*?[\p{L}\p{M}](?=n't(?![\p{L}\p{N}]))`, // do of don't
    `${part}(?:[-_/]${part})*`, // t-shirt, mother/daughter
    String.raw`\.(?:\s*\.)+`,
    '--+',
    "''|``",
    String.raw`\S`,
  ].join('|'),
  'gu',
);

/** Contractions without an apostrophe that the Treebank splits. */
const contractions: Record<string, [string, string]> = {
  cannot: ['can', 'not'],
  gonna: ['gon', 'na'],
  gotta: ['got', 'ta'],
  wanna: ['wan', 'na'],
  gimme: ['gim', 'me'],
  lemme: ['lem', 'me'],
};

/** Characters to replace or remove. */
const replacements: readonly (readonly [RegExp, string])[] = [
  [/&(?:amp|quot|apos|lt|gt|nbsp);/g, ' $& '],
  [/ &amp; /g, '&'],
  [/ &quot; /g, '"'],
  [/ &apos; /g, "'"],
  [/ &(?:lt|gt|nbsp); /g, ' '],
  [/[‘’]/g, "'"],
  [/[“”«»]/g, '"'],
  [/[–—―]/g, '--'],
  [/…/g, '...'],
  [/[\u00AD\u2060]/g, ''], // hyphens that only show at the end of a line
  [/[\u200B-\u200F\uFEFF]/g, ' '],
];

/**
 * Splits a caption into words for scoring, predictions and references alike, as the Stanford Penn
 * Treebank tokenizer of the COCO caption evaluation does
 * (`edu.stanford.nlp.process.PTBTokenizer -preserveLines -lowerCase` of CoreNLP 3.4.1), without the
 * evaluation's list of punctuation.
 *
 * | rule | caption | words |
 * | -------------------- | ------------------------------------- |
 * ------------------------------------ |
 * | lower case | A Dog | a dog |
 * | possessives, clitics | the man's dog, it's, they're | the man 's dog it 's they 're |
 * | negations | doesn't, can't, shouldn't've | does n't ca n't should n't 've |
 * | inner apostrophes | o'clock, ma'am; y'all, rock'n'roll | o'clock ma'am y' all rock 'n' roll |
 * | assimilations | cannot, gonna | can not gon na |
 * | hyphens, slashes | t-shirt, merry-go-round, him/her | t-shirt merry-go-round him/her |
 * | numbers | 3,000 5:30 $5.00 50% 5th 1/2 | 3,000 5:30 $ 5.00 50 % 5th 1/2 |
 * | abbreviations | U.S. p.m. Dr. St. Oct. etc. | u.s. p.m. dr. st. oct. etc. |
 * | quotes, brackets | "one" 'two' ``three'' (four) [five] | one two three four five |
 * | other punctuation | one, two; three - four -- five ... ! | one two three four five |
 * | signs that are words | A & B, #1, 5 + 5 | a & b # 1 5 + 5 |
 *
 * Words of scripts without spaces (Chinese, Japanese, Thai, …) are split as for training, see `separateWords`.
 *
 * Known differences, each rare in captions:
 * - Brackets are dropped, as the evaluation intends. It lower-cases them to `-lrb-` before it
 * applies its list, and so keeps them by mistake; likewise repeated punctuation (`!!`, five
 * dashes).
 * - The Stanford tokenizer writes `\/` and `\*` for / and *, $ and # for € and £, 1/2 for ½, and
 * one token for `5 1/2`. The first makes no difference to a score.
 * - British spelling stays. Early versions of the Stanford tokenizer Americanise it (grey to gray,
 * colour to color), later ones do not; the behaviour of 3.4.1 is not documented. Its list would
 * change CIDEr x 100 of a captioner on the test photos of Flickr8k by .01 (389 of 40,455 captions
 * contain grey or colour).
 * - A single letter before a period is a letter, and abbreviated states that are also words (Wash.,
 * Ill.) are words. The Stanford tokenizer decides by upper case.
 * - Symbols outside the Basic Multilingual Plane, such as emoji, are dropped, as unknown characters
 * are there. Markup (`<b>`) is not recognised.
 */
export function ptbTokenize(caption: string): string[] {
  const separated = separateWords(caption.normalize('NFC'));
  const text = replacements.reduce((text, [from, to]) => text.replace(from, to), separated.toLowerCase());
  const tokens: string[] = [];
  for (const [found] of text.matchAll(token)) {
    if (Object.hasOwn(contractions, found)) tokens.push(...contractions[found]);
    else if (!dropped.has(found) && !/^(?:\.[.\s]+|--+|(?!\p{L})[\u{10000}-\u{10FFFF}])$/u.test(found))
      tokens.push(found);
  }
  return tokens;
}
