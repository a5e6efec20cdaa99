import { countNgrams, countOf, longestNgram, NgramIndex, type IndexedCounts } from './ngrams.js';

/** Standard deviation of the Gaussian that penalises a length different from the reference's. */
const sigma = 6;

/** A caption's n-grams, for n = 1 to 4. */
interface Caption {
  /** tf-idf norm of each length of n-grams. */
  readonly norms: readonly number[];
  /** Number of bigrams, which the COCO evaluation takes as the length. */
  readonly length: number;
}

interface Reference extends Caption {
  readonly counts: readonly IndexedCounts[];
}

interface Candidate extends Caption {
  /** tf-idf of the n-grams that occur in references, by number. */
  readonly weights: readonly ReadonlyMap<number, number>[];
}

/**
 * CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 5) as the COCO caption evaluation computes
 * it: the clipped cosine of tf-idf vectors with each reference, times a Gaussian of the difference
 * in length, averaged over n = 1 to 4 and the references, times ten.
 *
 * Document frequencies come from the references given here. So scores on different sets of photos
 * are not comparable, and a single photo scores 0.
 */
export class CiderScorer {
  private readonly logImages: number;
  /** ln(photos whose references contain the n-gram), by number. */
  private readonly logFrequencies: Float64Array;
  private readonly references: readonly (readonly Reference[])[];

  /**
   * @param references references of each photo, as words.
   * @param index receives their n-grams.
   */
  constructor(
    references: readonly (readonly (readonly string[])[])[],
    private readonly index = new NgramIndex(),
  ) {
    const counted = references.map((captions) =>
      captions.map((caption) => countNgrams(caption, longestNgram).map((counts) => index.add(counts))),
    );
    this.logImages = Math.log(references.length);
    this.logFrequencies = logDocumentFrequencies(counted, index.size);
    this.references = counted.map((captions) => captions.map((counts) => this.reference(counts)));
  }

  /**
   * Scores one caption per photo. The corpus score is the mean. @param candidates captions as
   * words.
   */
  score(candidates: readonly (readonly string[])[]): number[] {
    return candidates.map((candidate, photo) => this.scoreOne(photo, candidate));
  }

  /** Scores one caption. @param photo index of its photo among the references. */
  scoreOne(photo: number, candidate: readonly string[]): number {
    const vectors = this.candidate(candidate);
    const references = this.references[photo];
    const sum = references.reduce((total, reference) => total + this.similarity(vectors, reference), 0);
    return (10 * sum) / references.length;
  }

  private reference(counts: readonly IndexedCounts[]): Reference {
    const norms = counts.map(({ numbers, counts }) =>
      Math.sqrt(numbers.reduce((squares, ngram, i) => squares + (counts[i] * this.rarity(ngram)) ** 2, 0)),
    );
    return { counts, norms, length: counts[1].counts.reduce((sum, count) => sum + count, 0) };
  }

  private candidate(words: readonly string[]): Candidate {
    const norms: number[] = [];
    const weights = countNgrams(words, longestNgram).map((counts) => {
      let squares = 0;
      const weighted = new Map<number, number>();
      for (const [ngram, count] of counts) {
        const number = this.index.numberOf(ngram);
        const weight = count * this.rarity(number);
        if (number !== undefined) weighted.set(number, weight);
        squares += weight ** 2;
      }
      norms.push(Math.sqrt(squares));
      return weighted;
    });
    return { weights, norms, length: Math.max(0, words.length - 1) };
  }

  /** The inverse document frequency of an n-gram: ln(photos / max(1, photos whose references contain it)). */
  private rarity(ngram: number | undefined): number {
    return this.logImages - (ngram === undefined ? 0 : this.logFrequencies[ngram]);
  }

  /** Mean over n of the clipped cosine, in [0, 1]. */
  private similarity(candidate: Candidate, reference: Reference): number {
    const gaussian = Math.exp(-((candidate.length - reference.length) ** 2) / (2 * sigma ** 2));
    let sum = 0;
    for (let n = 0; n < longestNgram; n++) {
      let product = 0;
      for (const [ngram, weight] of candidate.weights[n]) {
        const other = countOf(reference.counts[n], ngram) * this.rarity(ngram);
        product += Math.min(weight, other) * other;
      }
      const norms = candidate.norms[n] * reference.norms[n];
      sum += (norms === 0 ? product : product / norms) * gaussian;
    }
    return sum / longestNgram;
  }
}

/** @param images counts of each photo's references. */
function logDocumentFrequencies(
  images: readonly (readonly (readonly IndexedCounts[])[])[],
  ngrams: number,
): Float64Array {
  const frequencies = new Float64Array(ngrams);
  for (const captions of images) {
    for (const ngram of new Set(captions.flatMap((counts) => counts.flatMap(({ numbers }) => numbers)))) {
      frequencies[ngram]++;
    }
  }
  return frequencies.map((images) => Math.log(Math.max(1, images)));
}
