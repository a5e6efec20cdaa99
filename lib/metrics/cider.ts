import { countNgrams, longestNgram, type NgramCounts } from './ngrams.js';

/** Width of the Gaussian that punishes other lengths than the reference's. */
const sigma = 6;

/** A caption's n-grams, weighted by how much each tells, for n = 1 to 4. */
interface Vectors {
  readonly weights: readonly ReadonlyMap<string, number>[];
  readonly norms: readonly number[];
  /** The evaluation's idea of a length: the number of bigrams. */
  readonly length: number;
}

/**
 * CIDEr-D (Vedantam, Zitnick and Parikh 2015, section 5) as the COCO caption evaluation computes it: tf-idf weighted n-grams are
 * compared with each reference by a clipped cosine, times a Gaussian of the difference in length; the mean over n = 1 to 4 and the
 * references, times ten.
 *
 * How rare an n-gram is is counted over the references given here: scores of different sets of photos don't compare, and
 * a single photo scores 0, because everything in it is common.
 */
export class CiderScorer {
  private readonly logImages: number;
  /** ln(max(1, photos whose references hold the n-gram)), for n = 1 to 4. */
  private readonly logFrequencies: readonly NgramCounts[];
  private readonly references: readonly (readonly Vectors[])[];

  /** @param references the references of each photo, as words. */
  constructor(references: readonly (readonly (readonly string[])[])[]) {
    const counted = references.map((captions) => captions.map((caption) => countNgrams(caption, longestNgram)));
    this.logImages = Math.log(references.length);
    this.logFrequencies = logDocumentFrequencies(counted);
    this.references = counted.map((captions) => captions.map((counts) => this.vectors(counts)));
  }

  /** @param candidates one caption for each photo, as words. @returns the score of each; the corpus' is their mean. */
  score(candidates: readonly (readonly string[])[]): number[] {
    return candidates.map((candidate, photo) => this.scoreOne(photo, candidate));
  }

  /** @param photo its place among the references. @param candidate a caption of it, as words. */
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

/** The mean over n of the clipped cosine, in [0, 1]. */
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
