import { CaptionerError } from '../errors.js';
import { BleuScorer } from './bleu.js';
import { CiderScorer } from './cider.js';
import { NgramIndex } from './ngrams.js';
import { rougeL } from './rouge.js';
import { CaptionStatistics, type CaptionScores } from './statistics.js';

export type { CaptionScores } from './statistics.js';

/** Corpus scores, and the scores of each caption. */
export interface ScoredCaptions {
  readonly corpus: CaptionScores;
  readonly images: readonly CaptionScores[];
}

/**
 * Scores captions against references that are prepared once, so that scoring after every epoch is
 * cheap.
 */
export class CaptionScorer {
  private readonly bleu: BleuScorer;
  private readonly cider: CiderScorer;

  /**
   * @param references references of each photo as words (see `ptbTokenize`), at least one per
   * photo.
   * @throws CaptionerError `bad-input` if a photo has none.
   */
  constructor(private readonly references: readonly (readonly (readonly string[])[])[]) {
    const without = references.findIndex((captions) => !captions.length);
    if (without >= 0) throw new CaptionerError('bad-input', `Photo ${without + 1} has no reference to score against.`);
    if (!references.length) throw new CaptionerError('bad-input', 'There are no references to score against.');
    const index = new NgramIndex();
    this.bleu = new BleuScorer(references, index);
    this.cider = new CiderScorer(references, index);
  }

  /**
   * @param candidates one caption per photo, in the order of the references. May be empty.
   * @throws CaptionerError `mismatch` if their number differs from that of the references.
   */
  score(candidates: readonly (readonly string[])[]): ScoredCaptions {
    const statistics = this.statistics(candidates);
    return { corpus: statistics.corpus(), images: candidates.map((_, i) => statistics.corpus([i])) };
  }

  /**
   * The statistics behind the scores of `candidates`, or of any selection of them. @throws
   * CaptionerError as {@link score}.
   */
  statistics(candidates: readonly (readonly string[])[]): CaptionStatistics {
    this.check(candidates);
    const cider = this.cider.score(candidates);
    return CaptionStatistics.of(
      this.bleu.count(candidates).map((counts, i) => ({
        ...counts,
        rouge: rougeL(candidates[i], this.references[i]),
        cider: cider[i],
      })),
    );
  }

  private check(candidates: readonly unknown[]): void {
    if (candidates.length === this.references.length) return;
    throw new CaptionerError(
      'mismatch',
      `There are ${candidates.length} captions for ${this.references.length} photos with references. Pass one caption per photo.`,
    );
  }
}

/**
 * BLEU-1 to 4, ROUGE-L and CIDEr-D of `candidates`, one caption per photo, against each photo's
 * references.
 */
export function scoreCaptions(
  candidates: readonly (readonly string[])[],
  references: readonly (readonly (readonly string[])[])[],
): ScoredCaptions {
  return new CaptionScorer(references).score(candidates);
}
