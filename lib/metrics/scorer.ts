import { CaptionerError } from '../errors.js';
import { BleuScorer } from './bleu.js';
import { CiderScorer } from './cider.js';
import { rougeL } from './rouge.js';
import { CaptionStatistics, type CaptionScores } from './statistics.js';

export type { CaptionScores } from './statistics.js';

/** Scores of all captions together, and of each one. */
export interface ScoredCaptions {
  readonly corpus: CaptionScores;
  readonly images: readonly CaptionScores[];
}

/** Scores captions against references that are prepared once: for a score after every epoch. */
export class CaptionScorer {
  private readonly bleu: BleuScorer;
  private readonly cider: CiderScorer;

  /**
   * @param references of each photo, at least one caption, each as words (see `ptbTokenize`).
   * @throws CaptionerError `bad-input` when a photo has none.
   */
  constructor(private readonly references: readonly (readonly (readonly string[])[])[]) {
    const without = references.findIndex((captions) => !captions.length);
    if (without >= 0) throw new CaptionerError('bad-input', `Photo ${without + 1} has no reference to score against.`);
    if (!references.length) throw new CaptionerError('bad-input', 'There are no references to score against.');
    this.bleu = new BleuScorer(references);
    this.cider = new CiderScorer(references);
  }

  /**
   * @param candidates a caption for each photo, in the order of the references; one without words scores, too.
   * @throws CaptionerError `mismatch` when their number is not that of the references.
   */
  score(candidates: readonly (readonly string[])[]): ScoredCaptions {
    const statistics = this.statistics(candidates);
    return { corpus: statistics.corpus(), images: candidates.map((_, i) => statistics.corpus([i])) };
  }

  /** What the scores of `candidates`, and of any choice of them, are computed from. @throws CaptionerError as {@link score}. */
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
      `There are ${candidates.length} captions for ${this.references.length} photos with references.`,
    );
  }
}

/** BLEU-1 to 4, ROUGE-L and CIDEr-D of `candidates`: one caption a photo, against the photo's references. */
export function scoreCaptions(
  candidates: readonly (readonly string[])[],
  references: readonly (readonly (readonly string[])[])[],
): ScoredCaptions {
  return new CaptionScorer(references).score(candidates);
}
