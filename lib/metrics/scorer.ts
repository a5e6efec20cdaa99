import { CaptionerError } from '../errors.js';
import { BleuScorer, type Bleu } from './bleu.js';
import { CiderScorer } from './cider.js';
import { rougeL } from './rouge.js';

/** The scores that are reported of captions, as fractions: BLEU and ROUGE-L in [0, 1], CIDEr (CIDEr-D) in [0, 10]. */
export interface CaptionScores {
  readonly 'BLEU-1': number;
  readonly 'BLEU-2': number;
  readonly 'BLEU-3': number;
  readonly 'BLEU-4': number;
  readonly 'ROUGE-L': number;
  readonly CIDEr: number;
}

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
    if (candidates.length !== this.references.length) {
      throw new CaptionerError(
        'mismatch',
        `There are ${candidates.length} captions for ${this.references.length} photos with references.`,
      );
    }
    const bleu = this.bleu.score(candidates);
    const cider = this.cider.score(candidates);
    const rouge = candidates.map((candidate, i) => rougeL(candidate, this.references[i]));
    return {
      corpus: named(bleu.corpus, rouge.reduce((sum, score) => sum + score, 0) / rouge.length, cider.corpus),
      images: rouge.map((score, i) => named(bleu.images[i], score, cider.images[i])),
    };
  }
}

/** BLEU-1 to 4, ROUGE-L and CIDEr-D of `candidates`: one caption a photo, against the photo's references. */
export function scoreCaptions(
  candidates: readonly (readonly string[])[],
  references: readonly (readonly (readonly string[])[])[],
): ScoredCaptions {
  return new CaptionScorer(references).score(candidates);
}

function named(bleu: Bleu, rouge: number, cider: number): CaptionScores {
  return {
    'BLEU-1': bleu[0],
    'BLEU-2': bleu[1],
    'BLEU-3': bleu[2],
    'BLEU-4': bleu[3],
    'ROUGE-L': rouge,
    CIDEr: cider,
  };
}
