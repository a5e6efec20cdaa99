import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import type { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { drawWord, type Shaping } from './distribution.js';
import {
  bestFirst,
  captionOf,
  continuedBy,
  emptyPrefix,
  runBatch,
  type Prefix,
  type NextWords,
  type CaptionSearch,
} from './caption-search.js';
import { noRules, scoresOf, type SearchRules } from './processors.js';
import { lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';
import type { CandidateObserver, TracedCandidate } from './observer.js';

export interface SamplingOptions {
  /** A caption has at most this many words. Default 20. */
  readonly maxLength?: number;
  /** Probabilities to the power of 1 / temperature: below 1 the likely words win more often, above 1 the unlikely ones. Default 1. */
  readonly temperature?: number;
  /** Only this many of the likeliest words. Default 0: all. */
  readonly topK?: number;
  /** Only the likeliest words, until their probabilities sum to this (Holtzman et al. 2020, nucleus sampling). Default 1: all. */
  readonly topP?: number;
}

/**
 * Draws captions at random, each word by its probability: the same photo gives other captions each time.
 *
 * @param features [rows, D] row-major, a row for each caption to draw.
 * @returns for each row a caption; its probabilities are the decoder's own, before temperature, topK and topP.
 * @throws CaptionerError `bad-option`; `numeric` when the decoder's probabilities are no numbers.
 */
export async function sampleCaptions<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  random: Random,
  { maxLength = 20, temperature = 1, topK = 0, topP = 1 }: SamplingOptions = {},
): Promise<Hypothesis[]> {
  if (!(temperature > 0) || !(topK >= 0) || !(topP > 0 && topP <= 1) || !(maxLength >= 1)) {
    throw new CaptionerError(
      'bad-option',
      'The temperature is above 0, topK 0 or more, topP above 0 and at most 1, maxLength at least 1.',
    );
  }
  const options = { n: 1, maxLength, lengthPenalty: 0, temperature, topK, topP };
  const searches = Array.from({ length: rows }, () => new Sampler(options, random));
  return (await runBatch(stepper, features, searches)).flat();
}

export type SamplingPhotoOptions = Shaping & Pick<SearchConfig, 'n' | 'maxLength' | 'lengthPenalty'>;

/**
 * Draws `n` captions of one photo, each word by its probability, each caption without regard to the others: the same may be drawn
 * twice. One that has `maxLength` words is cut unless `<end>` is drawn next.
 */
export class Sampler implements CaptionSearch {
  live: Prefix[] = [emptyPrefix()];
  private readonly drawn: Hypothesis[] = [];
  private ids = 1;

  constructor(
    private readonly options: SamplingPhotoOptions,
    private readonly random: Random,
    private readonly rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
  ) {}

  advance(next: NextWords): boolean {
    const { n, maxLength, lengthPenalty } = this.options;
    const length = this.live[0].tokens.length;
    // The captions part with their first words: until then they are one.
    const draws = length === 0 ? Array.from({ length: n }, () => this.live[0]) : this.live;
    const { processors, unknown } = this.rules;
    const seen = new Map<string, TracedCandidate>();
    this.live = [];
    for (const prefix of draws) {
      const token = drawWord(scoresOf(next, prefix, processors), this.options, this.random.uniform(), unknown);
      const finished = token === Vocabulary.END;
      if (token === undefined || (length === maxLength && !finished)) {
        this.drawn.push(captionOf(prefix, lengthPenalty));
        continue;
      }
      const logProbability = next.logProbabilities[prefix.row * next.vocabularySize + token];
      // In the trace, captions with the same prefix go the same way.
      const key = `${prefix.id} ${token}`;
      const id = seen.get(key)?.id ?? this.ids++;
      if (finished) this.drawn.push(captionOf(prefix, lengthPenalty, logProbability));
      else this.live.push(continuedBy(prefix, { id, token, logProbability }));
      const score = lengthNormalized(prefix.logProbability + logProbability, length + 1, lengthPenalty);
      seen.set(key, { id, parent: prefix.id, token, logProbability, score, kept: true, finished });
    }
    if (seen.size > 0) this.observe?.([...seen.values()]);
    return this.live.length > 0;
  }

  captions(): Hypothesis[] {
    return [...this.drawn].sort(bestFirst);
  }
}
