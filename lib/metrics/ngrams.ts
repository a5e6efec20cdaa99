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

/**
 * Numbers of n-grams. The references of many photos are kept as numbers, which take a tenth of the memory of maps with text.
 */
export class NgramIndex {
  private readonly numbers = new Map<string, number>();

  /** Number of different n-grams. */
  get size(): number {
    return this.numbers.size;
  }

  /** The number of an n-gram; undefined if no reference has it. */
  numberOf(ngram: string): number | undefined {
    return this.numbers.get(ngram);
  }

  /** Numbers the n-grams that are new, and gives the counts by number. */
  add(counts: NgramCounts): IndexedCounts {
    const numbers = [...counts.keys()].map((ngram) => {
      const known = this.numbers.get(ngram) ?? this.numbers.size;
      if (known === this.numbers.size) this.numbers.set(ngram, known);
      return known;
    });
    // slice() leaves the room behind that an array made from an iterator has for growing.
    return { numbers, counts: [...counts.values()].slice() };
  }
}

/** Counts of n-grams by their numbers in an {@link NgramIndex}. */
export interface IndexedCounts {
  readonly numbers: readonly number[];
  /** counts[i] is that of the n-gram numbers[i]. */
  readonly counts: readonly number[];
}

/** The count of an n-gram; 0 if it does not occur. */
export function countOf({ numbers, counts }: IndexedCounts, ngram: number | undefined): number {
  // A caption has too few n-grams for a map to be faster.
  const place = ngram === undefined ? -1 : numbers.indexOf(ngram);
  return place < 0 ? 0 : counts[place];
}
