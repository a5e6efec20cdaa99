import { countNgrams, countOf, longestNgram, NgramIndex, type IndexedCounts, type NgramCounts } from './ngrams.js';

/** BLEU-1 to BLEU-4, each in [0, 1]. */
export type Bleu = readonly [bleu1: number, bleu2: number, bleu3: number, bleu4: number];

/** The counts that BLEU is computed from, of one caption or summed over many. */
export interface BleuCounts {
  /** n-grams that also occur in a reference, for n = 1 to 4. */
  readonly correct: readonly number[];
  /** n-grams, for n = 1 to 4. */
  readonly guessed: readonly number[];
  /** Words of the caption. */
  readonly length: number;
  /** Words of the reference closest in length. */
  readonly referenceLength: number;
}

// Guards against division by zero, with the COCO evaluation's values.
const tiny = 1e-15;
const small = 1e-9;

/**
 * BLEU (Papineni et al. 2002) as the COCO caption evaluation computes it. An n-gram counts at most
 * as often as it occurs in one reference. The length is compared with the reference closest in
 * length (on a tie, the shorter one). The corpus score is computed from sums over all captions; it
 * is not the mean of their scores.
 */
export class BleuScorer {
  private readonly references: readonly { lengths: number[]; most: IndexedCounts[] }[];

  /**
   * @param references references of each photo, as words.
   * @param index receives their n-grams.
   */
  constructor(
    references: readonly (readonly (readonly string[])[])[],
    private readonly index = new NgramIndex(),
  ) {
    this.references = references.map((captions) => ({
      lengths: captions.map((caption) => caption.length),
      most: mostOfEach(captions.map((caption) => countNgrams(caption, longestNgram))).map((most) => index.add(most)),
    }));
  }

  /**
   * Counts of each caption; their sums go into {@link bleu}. @param candidates one caption per
   * photo, as words.
   */
  count(candidates: readonly (readonly string[])[]): BleuCounts[] {
    return candidates.map((candidate, i) => {
      const { lengths, most } = this.references[i];
      return {
        correct: countNgrams(candidate, longestNgram).map((counts, n) => this.clippedSum(counts, most[n])),
        guessed: [0, 1, 2, 3].map((n) => Math.max(0, candidate.length - n)),
        length: candidate.length,
        referenceLength: closest(lengths, candidate.length),
      };
    });
  }

  private clippedSum(counts: NgramCounts, most: IndexedCounts): number {
    let sum = 0;
    for (const [ngram, count] of counts) sum += Math.min(count, countOf(most, this.index.numberOf(ngram)));
    return sum;
  }
}

/** BLEU from counts. */
export function bleu({ correct, guessed, length, referenceLength }: BleuCounts): Bleu {
  const ratio = (length + tiny) / (referenceLength + small);
  const brevityPenalty = ratio < 1 ? Math.exp(1 - 1 / ratio) : 1;
  let product = 1;
  return correct.map((count, n) => {
    product *= (count + tiny) / (guessed[n] + small);
    return product ** (1 / (n + 1)) * brevityPenalty;
  }) as unknown as Bleu;
}

function mostOfEach(references: readonly NgramCounts[][]): NgramCounts[] {
  return Array.from({ length: longestNgram }, (_, n) => {
    const most: NgramCounts = new Map();
    for (const counts of references) {
      for (const [ngram, count] of counts[n]) most.set(ngram, Math.max(count, most.get(ngram) ?? 0));
    }
    return most;
  });
}

function closest(lengths: readonly number[], length: number): number {
  return lengths.reduce((best, one) => {
    const [nearer, old] = [Math.abs(one - length), Math.abs(best - length)];
    return nearer < old || (nearer === old && one < best) ? one : best;
  });
}
