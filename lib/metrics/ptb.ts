/**
 * What the COCO caption evaluation drops after tokenising, dashes and dots of any length too. Brackets are all of its `-LRB-` and the like; other
 * marks (& # $ %) are words.
 */
const dropped = new Set([...`"'().?!,:-;{}[]<>`, '`', "''", '``']);

const letter = String.raw`[\p{L}\p{M}]`;
const word = String.raw`[\p{L}\p{N}\p{M}]+`;
const number = String.raw`\d+(?:[.,:]\d+)+`;
const clitic = String.raw`'(?:s|m|d|re|ve|ll)(?![\p{L}\p{N}])`;

/** Words that keep an apostrophe inside, by the lexer's rules: o'clock and d'avignon, ma'am and shi'ite, and those of its list. */
const apostrophised = [
  String.raw`[dol]'${word}`,
  `${letter}+[aeiouy]'(?!${clitic.slice(1)})[aeiou]${letter}*`,
  "(?:cap'n|c'mon|c'est|cont'd|e'er|ev'ry|li'l|nat'l|nor'easter|s'mores)(?![\\p{L}\\p{N}])",
].join('|');
const part = `(?:${apostrophised}|${number}|${word})`;

/** Abbreviations keep their period: titles, streets, months and days, states, companies, units. */
const abbreviations = [
  'mr mrs ms dr drs prof sen rep gov st ste ave blvd rd mt ft lt col gen adm rev maj sgt cpl pvt capt pres hon jr sr bros esq',
  'jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thurs fri',
  'ala ariz calif colo conn fla ga ind kan kans ky la md mich minn mo mont neb nev okla pa penn tenn tex va vt wis wisc wyo',
  'inc co cos corp ltd plc dept assn univ intl etc al vs no nos tel est ext sq',
]
  .join('|')
  .replaceAll(' ', '|');

/** One token at a place of a lower-cased text; the first alternative that fits is taken. */
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

/** What the Treebank writes as two words although there is no apostrophe. */
const contractions: Record<string, [string, string]> = {
  cannot: ['can', 'not'],
  gonna: ['gon', 'na'],
  gotta: ['got', 'ta'],
  wanna: ['wan', 'na'],
  gimme: ['gim', 'me'],
  lemme: ['lem', 'me'],
};

/** What stands for another character, and what is no character at all. */
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
  [/[\u00AD\u2060]/g, ''], // hyphens that are seen at the end of a line alone
  [/[\u200B-\u200F\uFEFF]/g, ' '],
];

/**
 * The words of a caption for scoring, predictions and references alike: those of the Stanford Penn Treebank tokenizer that the COCO
 * caption evaluation runs (`edu.stanford.nlp.process.PTBTokenizer -preserveLines -lowerCase` of CoreNLP 3.4.1), without its list of punctuation.
 *
 * | rule                 | caption                               | words                                |
 * | -------------------- | ------------------------------------- | ------------------------------------ |
 * | lower case           | A Dog                                 | a dog                                |
 * | possessives, clitics | the man's dog, it's, they're          | the man 's dog it 's they 're        |
 * | negations            | doesn't, can't, shouldn't've          | does n't ca n't should n't 've       |
 * | inner apostrophes    | o'clock, ma'am; y'all, rock'n'roll    | o'clock ma'am y' all rock 'n' roll   |
 * | assimilations        | cannot, gonna                         | can not gon na                       |
 * | hyphens, slashes     | t-shirt, merry-go-round, him/her      | t-shirt merry-go-round him/her       |
 * | numbers              | 3,000 5:30 $5.00 50% 5th 1/2          | 3,000 5:30 $ 5.00 50 % 5th 1/2       |
 * | abbreviations        | U.S. p.m. Dr. St. Oct. etc.           | u.s. p.m. dr. st. oct. etc.          |
 * | quotes, brackets     | "one" 'two' ``three'' (four) [five]   | one two three four five              |
 * | other punctuation    | one, two; three - four -- five ... !  | one two three four five              |
 * | marks that are words | A & B, #1, 5 + 5                      | a & b # 1 5 + 5                      |
 *
 * Left different, each rare in captions:
 * - Brackets are dropped, as the evaluation's list means. It lower-cases them to `-lrb-` first, and so keeps them by mistake; likewise marks in rows
 *   (`!!`, five dashes).
 * - The tokenizer writes `\/` and `\*` for / and *, $ and # for € and £, 1/2 for ½, and one token for `5 1/2`. The first makes no difference to a score.
 * - British spelling stays. The tokenizer has a list (grey to gray, colour to color) that early versions applied and later ones do
 *   not; what 3.4.1 does could not be told. With the list, CIDEr x 100 of a captioner of Flickr8k's test photos (389 of 40,455
 *   captions have grey or colour) changes by .01.
 * - A single letter before a period is a letter, states that are words, too (Wash., Ill.), are words; the case of letters tells it more.
 * - Symbols outside the Basic Multilingual Plane, emoji for example, are dropped, as it drops what it does not know; mark-up (`<b>`) is not known.
 */
export function ptbTokenize(caption: string): string[] {
  const text = replacements.reduce((text, [from, to]) => text.replace(from, to), caption.toLowerCase());
  const tokens: string[] = [];
  for (const [found] of text.matchAll(token)) {
    if (Object.hasOwn(contractions, found)) tokens.push(...contractions[found]);
    else if (!dropped.has(found) && !/^(?:\.[.\s]+|--+|(?!\p{L})[\u{10000}-\u{10FFFF}])$/u.test(found))
      tokens.push(found);
  }
  return tokens;
}
