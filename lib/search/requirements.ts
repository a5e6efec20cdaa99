/**
 * Phrases that a caption must contain, for lexically constrained search. Progress is counted in
 * words, so that prefixes compete with those of equal progress (Post and Vilar 2018,
 * https://arxiv.org/abs/1804.06609).
 */
export class Requirements {
  /** The phrases as token ids. A phrase contained in another is left out. */
  readonly phrases: readonly (readonly number[])[];
  /** Words in all phrases. */
  readonly total: number;

  constructor(phrases: readonly (readonly number[])[]) {
    this.phrases = phrases.filter(
      (phrase, i) =>
        !phrases.some(
          (other, j) => i !== j && has(other, phrase) && (other.length > phrase.length || j < i), // of equal phrases, keep the first
        ),
    );
    this.total = this.phrases.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * The number of required words in a prefix, from 0 to {@link total}: those of complete phrases,
   * and those of a phrase that the prefix ends within.
   */
  met(tokens: readonly number[]): number {
    let whole = 0;
    let part = 0;
    for (const phrase of this.phrases) {
      if (has(tokens, phrase)) whole += phrase.length;
      else part = Math.max(part, matchedWords(tokens, phrase));
    }
    return whole + part;
  }

  /** The next word of each missing phrase. */
  nextWords(tokens: readonly number[]): number[] {
    return this.phrases.flatMap((phrase) => (has(tokens, phrase) ? [] : [phrase[matchedWords(tokens, phrase)]]));
  }
}

/** Whether `tokens` contains `phrase`. */
function has(tokens: readonly number[], phrase: readonly number[]): boolean {
  for (let at = 0; at + phrase.length <= tokens.length; at++) {
    if (phrase.every((token, i) => tokens[at + i] === token)) return true;
  }
  return false;
}

/** The number of words of `phrase` with which `tokens` ends. */
function matchedWords(tokens: readonly number[], phrase: readonly number[]): number {
  for (let length = Math.min(phrase.length, tokens.length); length > 0; length--) {
    const at = tokens.length - length;
    let i = 0;
    while (i < length && tokens[at + i] === phrase[i]) i++;
    if (i === length) return length;
  }
  return 0;
}
