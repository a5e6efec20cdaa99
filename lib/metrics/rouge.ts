/** Weight of recall relative to precision. */
const beta = 1.2;

/**
 * ROUGE-L (Lin 2004) of one caption, as the COCO caption evaluation computes it: the F-score of
 * precision and recall of the longest common subsequence, each the best over the references. The
 * corpus score is the mean over captions.
 *
 * A caption without words counts as one empty word.
 */
export function rougeL(candidate: readonly string[], references: readonly (readonly string[])[]): number {
  const words = orEmptyWord(candidate);
  let precision = 0;
  let recall = 0;
  for (const reference of references.map(orEmptyWord)) {
    const common = longestCommonSubsequence(words, reference);
    precision = Math.max(precision, common / words.length);
    recall = Math.max(recall, common / reference.length);
  }
  if (precision === 0) return 0;
  return ((1 + beta ** 2) * precision * recall) / (recall + beta ** 2 * precision);
}

function orEmptyWord(words: readonly string[]): readonly string[] {
  return words.length ? words : [''];
}

function longestCommonSubsequence(a: readonly string[], b: readonly string[]): number {
  const row = new Uint32Array(b.length + 1); // row[j]: length for the words of a so far and the first j of b
  for (const word of a) {
    let diagonal = 0;
    for (let j = 1; j <= b.length; j++) {
      const above = row[j];
      row[j] = word === b[j - 1] ? diagonal + 1 : Math.max(above, row[j - 1]);
      diagonal = above;
    }
  }
  return row[b.length];
}
