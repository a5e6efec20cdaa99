import type { SearchConfig } from '../config.js';
import type { Checkpoint, ConfidenceCalibration } from '../model/checkpoint/checkpoint-config.js';
import { confidenceOf } from '../search/confidence.js';
import { searchCaptions, searchRules, type SearchRun } from '../search/search.js';
import { resolveSearch } from '../search/search-config.js';
import { probability, type CaptionDecoder, type Hypothesis } from '../search/stepper.js';

/** A caption of a photo. */
export interface Caption {
  readonly caption: string;
  /** ln p of the caption given the photo: the sum over its words and its end. */
  readonly logProbability: number;
  /** exp(logProbability), in [0, 1]. */
  readonly probability: number;
  /**
   * The calibrated probability that the caption is good, in (0, 1), for captions found by beam search; null for a captioner that is not
   * calibrated (see `calibrateConfidence`) and for an ensemble.
   */
  readonly confidence: number | null;
  /** Its words with the probability of each given those before, in [0, 1]. */
  readonly words: readonly { readonly word: string; readonly probability: number }[];
}

/** The part of a captioner that turns features into captions. It needs neither files nor an encoder, and runs anywhere. */
export class CaptionModel {
  /** The last search that was resolved, by its options. */
  private last?: { readonly options: string; readonly search: SearchConfig };

  constructor(
    /** The checkpoint, or the first of an ensemble. */
    readonly checkpoint: Checkpoint,
    /** One decoder, or several as one. */
    readonly decoder: CaptionDecoder,
    private readonly calibration?: ConfidenceCalibration,
  ) {}

  /** Whether captions have a confidence. */
  get calibrated(): boolean {
    return this.calibration !== undefined;
  }

  /** Captions of features [rows, D] from the encoder, for each row the likeliest first. @throws CaptionerError `timeout` */
  async captionFeatures(
    features: Float32Array,
    rows: number,
    search: Partial<SearchConfig> = {},
    { deadline }: Pick<SearchRun, 'deadline'> = {},
  ): Promise<Caption[][]> {
    const { vocabulary } = this.checkpoint;
    const config = this.resolve(search);
    const found = await searchCaptions(this.decoder, vocabulary, features, rows, config, { deadline });
    return found.map((hypotheses) => hypotheses.map((hypothesis) => this.describe(hypothesis)));
  }

  /**
   * Refuses, before reading any photo, a search that this captioner does not support.
   * @throws CaptionerError `bad-option`
   */
  check(search: Partial<SearchConfig>): void {
    searchRules(this.resolve(search), this.checkpoint.vocabulary);
  }

  /**
   * A complete search: the options given, then those that were chosen for this captioner, then the defaults.
   * @throws CaptionerError `bad-option`
   */
  resolve(search: Partial<SearchConfig>): SearchConfig {
    const chosen = this.checkpoint.config.search?.repeatWords;
    // A search in which nothing is left open stays the object that it is: it is resolved once for all batches.
    if (search.repeatWords !== undefined || chosen === undefined) return resolveSearch(search);
    // Photos that come one by one usually have the same options.
    const options = JSON.stringify(search);
    if (this.last?.options !== options) {
      this.last = { options, search: resolveSearch({ ...search, repeatWords: chosen }) };
    }
    return this.last.search;
  }

  /** A caption that a search with this captioner's decoder found, in words. */
  describe(hypothesis: Hypothesis): Caption {
    const { vocabulary } = this.checkpoint;
    const { tokens, logProbability, tokenLogProbabilities } = hypothesis;
    return {
      caption: vocabulary.decode(tokens, { unknown: true }),
      logProbability,
      probability: probability(hypothesis),
      confidence: this.calibration ? confidenceOf(hypothesis, this.calibration) : null,
      words: tokens.map((token, i) => ({
        word: vocabulary.words[token],
        probability: Math.exp(tokenLogProbabilities[i]),
      })),
    };
  }
}
