import { bleu, type BleuCounts } from './bleu.js';
import { longestNgram } from './ngrams.js';

/** Scores of captions, as fractions: BLEU and ROUGE-L in [0, 1], CIDEr (CIDEr-D) in [0, 10]. */
export interface CaptionScores {
  readonly 'BLEU-1': number;
  readonly 'BLEU-2': number;
  readonly 'BLEU-3': number;
  readonly 'BLEU-4': number;
  readonly 'ROUGE-L': number;
  readonly CIDEr: number;
}

/** The name of a score. */
export type ScoreName = keyof CaptionScores;

/** The scores in the order in which they are reported. */
export const scoreNames: readonly ScoreName[] = ['BLEU-1', 'BLEU-2', 'BLEU-3', 'BLEU-4', 'ROUGE-L', 'CIDEr'];

/**
 * Sufficient statistics of one photo's caption: the scores of many photos depend only on their
 * sums.
 */
export interface PhotoStatistics extends BleuCounts {
  readonly rouge: number;
  /**
   * CIDEr-D with document frequencies from the references of all photos, of which these may be a
   * selection.
   */
  readonly cider: number;
}

/** Numbers per photo: 4 n-gram counts that match, 4 in total, 2 lengths, ROUGE-L, CIDEr. */
const WIDTH = 2 * longestNgram + 4;

/**
 * Sufficient statistics of one caption for each of N photos. The scores of any selection of photos
 * are sums over them, so a thousand resamples take moments: no caption is compared with its
 * references twice.
 */
export class CaptionStatistics {
  /** @param rows [N, 12], see {@link CaptionStatistics.of}. */
  private constructor(private readonly rows: Float64Array) {}

  /** The statistics of photos, of which any selection has scores. */
  static of(photos: readonly PhotoStatistics[]): CaptionStatistics {
    return new CaptionStatistics(
      Float64Array.from(
        photos.flatMap(({ correct, guessed, length, referenceLength, rouge, cider }) => [
          ...correct,
          ...guessed,
          length,
          referenceLength,
          rouge,
          cider,
        ]),
      ),
    );
  }

  get photos(): number {
    return this.rows.length / WIDTH;
  }

  /** The statistics of one photo. */
  photo(i: number): PhotoStatistics {
    return unpack(this.rows.subarray(i * WIDTH, (i + 1) * WIDTH));
  }

  /** Corpus scores of the given photos (repeats count each time), or of all. */
  corpus(photos?: ArrayLike<number>): CaptionScores {
    const sums = new Float64Array(WIDTH);
    const count = photos?.length ?? this.photos;
    for (let i = 0; i < count; i++) this.add(photos ? photos[i] : i, sums);
    return scoresOf(sums, count);
  }

  /**
   * Corpus scores with the captions of some photos taken from `other`. @param swapped [N], 1 to
   * take from `other`.
   */
  corpusWith(other: CaptionStatistics, swapped: Uint8Array): CaptionScores {
    const sums = new Float64Array(WIDTH);
    for (let i = 0; i < this.photos; i++) (swapped[i] ? other : this).add(i, sums);
    return scoresOf(sums, this.photos);
  }

  private add(photo: number, sums: Float64Array): void {
    const from = photo * WIDTH;
    for (let k = 0; k < WIDTH; k++) sums[k] += this.rows[from + k];
  }
}

function unpack(row: Float64Array): PhotoStatistics {
  const [length, referenceLength, rouge, cider] = row.subarray(2 * longestNgram);
  return {
    correct: [...row.subarray(0, longestNgram)],
    guessed: [...row.subarray(longestNgram, 2 * longestNgram)],
    length,
    referenceLength,
    rouge,
    cider,
  };
}

function scoresOf(sums: Float64Array, photos: number): CaptionScores {
  const { rouge, cider, ...counts } = unpack(sums);
  const [bleu1, bleu2, bleu3, bleu4] = bleu(counts);
  return {
    'BLEU-1': bleu1,
    'BLEU-2': bleu2,
    'BLEU-3': bleu3,
    'BLEU-4': bleu4,
    'ROUGE-L': rouge / photos,
    CIDEr: cider / photos,
  };
}
