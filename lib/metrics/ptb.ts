/** What the COCO caption evaluation drops after tokenising, dashes and dots of any length too. Other marks (& # $ %) are words. */
const dropped = new Set([...`"'().?!,:-;{}`, '`', "''", '``']);

const word = String.raw`[\p{L}\p{N}\p{M}]+`;
const number = String.raw`\d+(?:[.,:]\d+)+`;
const clitic = String.raw`'(?:s|m|d|re|ve|ll)(?![\p{L}\p{N}])`;
/** Letters and digits, inner apostrophes (o'clock) but for those of clitics. */
const apostrophised = `(?:${number}|${word})(?:(?!${clitic})'${word})*`;
const abbreviations = 'mr mrs ms dr st jr sr prof mt ft vs etc lt col gen sgt capt ave inc ltd corp'.replaceAll(
  ' ',
  '|',
);

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
    String.raw`'(?:n'?|em|till?|cause|\d0s)(?![\p{L}\p{N}])`, // rock 'n' roll, '90s
    `${apostrophised}(?:[-_/]${apostrophised})*`, // t-shirt, mother/daughter
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

/**
 * The words of a caption for scoring, predictions and references alike: those of the Stanford Penn Treebank tokenizer that the COCO
 * caption evaluation runs, lower-cased, without its list of punctuation. Clitics are words (man 's, do n't), words with
 * hyphens or slashes are whole, numbers keep their commas, abbreviations their periods.
 *
 * It follows that tokenizer's rules for what occurs in captions, and does not try for the rest of them (mark-up, its long lists of
 * abbreviations, its escapes such as `\/`). Brackets are dropped, as the list means; the original evaluation, lower-casing them to
 * `-lrb-` first, keeps them by mistake.
 */
export function ptbTokenize(caption: string): string[] {
  const text = caption
    .toLowerCase()
    .replace(/[‘’]/g, "'")
    .replace(/[“”]/g, '"')
    .replace(/[–—]/g, '--')
    .replace(/…/g, '...');
  const tokens: string[] = [];
  for (const [found] of text.matchAll(token)) {
    const negation = /^(.*[\p{L}\p{N}])(n't)$/u.exec(found);
    if (negation) tokens.push(negation[1], negation[2]);
    else if (Object.hasOwn(contractions, found)) tokens.push(...contractions[found]);
    else if (!dropped.has(found) && !/^(\.[.\s]+|--+)$/.test(found)) tokens.push(found);
  }
  return tokens;
}
