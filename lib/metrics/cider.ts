import { countNgrams, longestNgram, type NgramCounts } from './ngrams.js';

/** Standard deviation of the Gaussian that penalises a length different from the reference's. */
const sigma = 6;

/** tf-idf vectors of a caption's n-grams, for n = 1 to 4. */
interface Vectors {
  readonly weights: readonly ReadonlyMap<string, number>[];
  readonly norms: readonly number[];
  /** Number of bigrams, which the COCO evaluation takes as the length. */
  readonly length: number;
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
  /** ln(max(1, photos whose references contain the n-gram)), for n = 1 to 4. */
  private readonly logFrequencies: readonly NgramCounts[];
  private readonly references: readonly (readonly Vectors[])[];

  /** @param references references of each photo, as words. */
  constructor(references: readonly (readonly (readonly string[])[])[]) {
    const counted = references.map((captions) => captions.map((caption) => countNgrams(caption, longestNgram)));
    this.logImages = Math.log(references.length);
    this.logFrequencies = logDocumentFrequencies(counted);
    this.references = counted.map((captions) => captions.map((counts) => this.vectors(counts)));
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
    const vectors = this.vectors(countNgrams(candidate, longestNgram));
    const references = this.references[photo];
    const sum = references.reduce((total, reference) => total + similarity(vectors, reference), 0);
    return (10 * sum) / references.length;
  }

  private vectors(counts: readonly NgramCounts[]): Vectors {
    const norms: number[] = [];
    const weights = counts.map((ofThisLength, n) => {
      let squares = 0;
      const weighted = new Map<string, number>();
      for (const [ngram, count] of ofThisLength) {
        const weight = count * (this.logImages - (this.logFrequencies[n].get(ngram) ?? 0));
        weighted.set(ngram, weight);
        squares += weight ** 2;
      }
      norms.push(Math.sqrt(squares));
      return weighted;
    });
    let length = 0;
    for (const count of counts[1].values()) length += count;
    return { weights, norms, length };
  }
}

/** Mean over n of the clipped cosine, in [0, 1]. */
function similarity(candidate: Vectors, reference: Vectors): number {
  const gaussian = Math.exp(-((candidate.length - reference.length) ** 2) / (2 * sigma ** 2));
  let sum = 0;
  for (let n = 0; n < longestNgram; n++) {
    let product = 0;
    for (const [ngram, weight] of candidate.weights[n]) {
      const other = reference.weights[n].get(ngram) ?? 0;
      product += Math.min(weight, other) * other;
    }
    const norms = candidate.norms[n] * reference.norms[n];
    sum += (norms === 0 ? product : product / norms) * gaussian;
  }
  return sum / longestNgram;
}

function logDocumentFrequencies(images: readonly (readonly NgramCounts[][])[]): NgramCounts[] {
  return Array.from({ length: longestNgram }, (_, n) => {
    const frequencies: NgramCounts = new Map();
    for (const captions of images) {
      for (const ngram of new Set(captions.flatMap((counts) => [...counts[n].keys()]))) {
        frequencies.set(ngram, (frequencies.get(ngram) ?? 0) + 1);
      }
    }
    for (const [ngram, images] of frequencies) frequencies.set(ngram, Math.log(images));
    return frequencies;
  });
}
