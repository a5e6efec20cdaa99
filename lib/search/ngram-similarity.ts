import { Vocabulary } from '../text/vocabulary.js';

/** Length of the longest n-grams compared. */
const longest = 4;

/** Standard deviation of the Gaussian that lowers the similarity of captions of different lengths. */
const sigma = 6;

/** The n-grams of a caption, weighted by their rarity. */
export interface CaptionVector {
  /** weights[n - 1]: weight of each n-gram, by number. */
  readonly weights: readonly ReadonlyMap<number, number>[];
  /** Norm of each of these. */
  readonly norms: readonly number[];
  /** Number of words. */
  readonly length: number;
}

/**
 * The rarity of each word: ln(1 + captions / count) from the counts of a vocabulary, [V]. Words that
 * were never counted are as rare as those counted once.
 */
export function wordRarity({ counts }: Vocabulary): Float64Array {
  const captions = Math.max(1, counts[Vocabulary.START]);
  return Float64Array.from(counts, (count) => Math.log1p(captions / Math.max(1, count)));
}

/**
 * Makes the vectors of captions that are compared with each other. It numbers their n-grams, so all
 * must come from the same instance.
 */
export class CaptionVectors {
  /** Numbers of the n-grams of two and more words. Those of single words are the token ids. */
  private readonly numbers = new Map<number, number>();

  /** @param rarity of each word, [V]; see {@link wordRarity}. */
  constructor(private readonly rarity: Float64Array) {}

  /** The vector of a caption. An n-gram weighs its count times the mean rarity of its words. */
  of(tokens: readonly number[]): CaptionVector {
    const weights = Array.from({ length: longest }, () => new Map<number, number>());
    for (let start = 0; start < tokens.length; start++) {
      let number = 0;
      let rarity = 0;
      for (let n = 0; n < longest && start + n < tokens.length; n++) {
        const token = tokens[start + n];
        number = n === 0 ? token : this.numberOf(number, token);
        rarity += this.rarity[token];
        weights[n].set(number, (weights[n].get(number) ?? 0) + rarity / (n + 1));
      }
    }
    const norms = weights.map((ofLength) => Math.hypot(...ofLength.values()));
    return { weights, norms, length: tokens.length };
  }

  /** The number of an n-gram, from that of its words but the last. */
  private numberOf(start: number, token: number): number {
    const words = this.rarity.length;
    const key = start * words + token;
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    const number = words + this.numbers.size;
    this.numbers.set(key, number);
    return number;
  }
}

/**
 * The similarity of a caption to another one that counts as a reference, in [0, 1]: CIDEr-D between
 * the two (Vedantam, Zitnick and Parikh 2015) without its factor of ten, with rarity in place of
 * inverse document frequency.
 */
export function captionSimilarity(caption: CaptionVector, reference: CaptionVector): number {
  let sum = 0;
  for (let n = 0; n < longest; n++) {
    let product = 0;
    for (const [ngram, weight] of caption.weights[n]) {
      const other = reference.weights[n].get(ngram);
      if (other !== undefined) product += Math.min(weight, other) * other;
    }
    if (product > 0) sum += product / (caption.norms[n] * reference.norms[n]);
  }
  return (sum / longest) * Math.exp(-((caption.length - reference.length) ** 2) / (2 * sigma ** 2));
}
