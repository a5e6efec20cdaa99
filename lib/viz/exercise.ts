/** An exercise of a notebook. */
export interface Exercise<Answer> {
  /** Prints whether the answer is right; without an answer, that one is missing. */
  check(answer?: Answer): Promise<void>;
}

/**
 * An exercise whose answer is checked by a function of the notebook:
 *
 * ```ts
 * const exercise1 = exercise<number>((n) => n === 6 * 7, 'Multiply.');
 * await exercise1.check(42); // ✓ Right.
 * ```
 *
 * @param isRight whether an answer is right, or, as text, what is wrong with it.
 * @param hint printed with a wrong answer.
 */
export function exercise<Answer>(
  isRight: (answer: Answer) => boolean | string | Promise<boolean | string>,
  hint: string,
): Exercise<Answer> {
  return {
    check: async (answer) => {
      if (answer === undefined) return console.log('No answer yet. Put yours between the parentheses of check().');
      const verdict = await isRight(answer);
      if (verdict === true) console.log('✓ Right.');
      else console.log(`✗ Not yet. ${typeof verdict === 'string' ? verdict : hint}`);
    },
  };
}
