/** Counts of n-grams. The key is the words joined by spaces. */
export type NgramCounts = Map<string, number>;

/**
 * Counts the n-grams of a caption.
 * @returns `counts[n - 1]` for n = 1 to `longest`.
 */
export function countNgrams(tokens: readonly string[], longest: number): NgramCounts[] {
  const counts: NgramCounts[] = [];
  for (let n = 1; n <= longest; n++) {
    const ofThisLength: NgramCounts = new Map();
    for (let start = 0; start + n <= tokens.length; start++) {
      const ngram = n === 1 ? tokens[start] : tokens.slice(start, start + n).join(' ');
      ofThisLength.set(ngram, (ofThisLength.get(ngram) ?? 0) + 1);
    }
    counts.push(ofThisLength);
  }
  return counts;
}

/** The longest n-grams of BLEU-4 and CIDEr-D. */
export const longestNgram = 4;
