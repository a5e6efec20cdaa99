/**
 * Phrases that a caption must have, for lexically constrained search. How far a prefix has come is counted in words, so that
 * prefixes compete with those that have come as far (Post and Vilar 2018, https://arxiv.org/abs/1804.06609).
 */
export class Requirements {
  /** The phrases, words by number. One that is a part of another is left out: it comes with that. */
  readonly phrases: readonly (readonly number[])[];
  /** Words of all phrases. */
  readonly total: number;

  constructor(phrases: readonly (readonly number[])[]) {
    this.phrases = phrases.filter(
      (phrase, i) =>
        !phrases.some(
          (other, j) => i !== j && has(other, phrase) && (other.length > phrase.length || j < i), // of equal ones the first stays
        ),
    );
    this.total = this.phrases.reduce((sum, { length }) => sum + length, 0);
  }

  /**
   * How many of the words that are required a prefix has, from 0 to {@link total}: those of phrases that are in it, and those of one
   * that it ends within.
   */
  met(tokens: readonly number[]): number {
    let whole = 0;
    let part = 0;
    for (const phrase of this.phrases) {
      if (has(tokens, phrase)) whole += phrase.length;
      else part = Math.max(part, begun(tokens, phrase));
    }
    return whole + part;
  }

  /** The words that bring a prefix nearer to its missing phrases: the next one of each. */
  nextWords(tokens: readonly number[]): number[] {
    return this.phrases.flatMap((phrase) => (has(tokens, phrase) ? [] : [phrase[begun(tokens, phrase)]]));
  }
}

/** Whether `phrase` is somewhere in `tokens`. */
function has(tokens: readonly number[], phrase: readonly number[]): boolean {
  for (let at = 0; at + phrase.length <= tokens.length; at++) {
    if (phrase.every((token, i) => tokens[at + i] === token)) return true;
  }
  return false;
}

/** With how many words of `phrase` `tokens` end. */
function begun(tokens: readonly number[], phrase: readonly number[]): number {
  for (let length = Math.min(phrase.length, tokens.length); length > 0; length--) {
    const at = tokens.length - length;
    let i = 0;
    while (i < length && tokens[at + i] === phrase[i]) i++;
    if (i === length) return length;
  }
  return 0;
}
