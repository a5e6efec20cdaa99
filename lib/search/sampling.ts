import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import type { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { sampleIndex, sampleWord, shaped, type Shaping } from './distribution.js';
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
import { AllowedWords, noRules, scoresOf, type SearchRules } from './processors.js';
import { lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';
import type { CandidateObserver, TracedCandidate } from './observer.js';
import type { NextWord } from './top-words.js';

/** Options of sampling. */
export interface SamplingOptions {
  /** Maximum number of words. Default 20. */
  readonly maxLength?: number;
  /**
   * Probabilities are raised to the power of 1 / temperature: below 1 favours likely words, above 1
   * unlikely ones. Default 1.
   */
  readonly temperature?: number;
  /** Samples from this many of the likeliest words only. Default 0: all. */
  readonly topK?: number;
  /**
   * Samples from the fewest likeliest words whose probabilities sum to this (nucleus sampling,
   * Holtzman et al. 2020). Default 1: all.
   */
  readonly topP?: number;
}

/**
 * Samples captions, each word by its probability. Repeated calls give different captions.
 *
 * @param features [rows, D] row-major, one row per caption to sample.
 * @returns one caption per row. Probabilities are the decoder's own, before temperature, topK and
 * topP.
 * @throws CaptionerError `bad-option`; `numeric` if the decoder's probabilities are not numbers.
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
      'temperature must be above 0, topK at least 0, topP above 0 and at most 1, and maxLength at least 1.',
    );
  }
  const options = { n: 1, maxLength, lengthPenalty: 0, temperature, topK, topP };
  const searches = Array.from({ length: rows }, () => new Sampler(options, random));
  return (await runBatch(stepper, features, searches)).flat();
}

export type SamplingPhotoOptions = Shaping & Pick<SearchConfig, 'n' | 'maxLength' | 'lengthPenalty'>;

/** Draws a word that follows a prefix; undefined if none may. */
type Draw = (uniform: number) => NextWord | undefined;

/**
 * Samples `n` captions of one photo independently, so the same caption may occur twice. A caption
 * of `maxLength` words is cut off unless `<end>` is sampled next. Samples that begin with the same
 * words share a prefix, which the decoder evaluates once.
 */
export class Sampler implements CaptionSearch {
  live: readonly Prefix[] = [emptyPrefix()];
  /** The prefix of each unfinished sample. */
  private unfinished: readonly Prefix[];
  private readonly sampled: Hypothesis[] = [];
  private ids = 1;
  private readonly allowed: AllowedWords;

  constructor(
    private readonly options: SamplingPhotoOptions,
    private readonly random: Random,
    private readonly rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
  ) {
    this.allowed = new AllowedWords(rules);
    this.unfinished = Array.from({ length: options.n }, () => this.live[0]);
  }

  get topK(): number | undefined {
    return this.toRead(this.live[0]);
  }

  advance(next: NextWords): boolean {
    const { maxLength, lengthPenalty } = this.options;
    const length = this.live[0].tokens.length;
    const draws = new Map(this.live.map((prefix) => [prefix, this.drawAfter(prefix, next)]));
    const seen = new Map<string, TracedCandidate>();
    const continued = new Map<number, Prefix>();
    const unfinished: Prefix[] = [];
    for (const prefix of this.unfinished) {
      const word = draws.get(prefix)!(this.random.uniform());
      const finished = word?.token === Vocabulary.END;
      if (word === undefined || (length === maxLength && !finished)) {
        this.sampled.push(captionOf(prefix, lengthPenalty));
        continue;
      }
      const { token, logProbability } = word;
      const key = `${prefix.id} ${token}`;
      const id = seen.get(key)?.id ?? this.ids++;
      if (finished) this.sampled.push(captionOf(prefix, lengthPenalty, logProbability));
      else {
        const shared = continued.get(id) ?? continuedBy(prefix, { id, token, logProbability });
        continued.set(id, shared);
        unfinished.push(shared);
      }
      const score = lengthNormalized(prefix.logProbability + logProbability, length + 1, lengthPenalty);
      seen.set(key, { id, parent: prefix.id, token, logProbability, score, kept: true, finished });
    }
    this.unfinished = unfinished;
    this.live = [...continued.values()];
    if (seen.size > 0) this.observe?.([...seen.values()]);
    return this.live.length > 0;
  }

  captions(): Hypothesis[] {
    return [...this.sampled].sort(bestFirst);
  }

  /** Number of likeliest words to read after a prefix; undefined for all. */
  private toRead({ tokens }: Prefix): number | undefined {
    const { topK } = this.options;
    return topK > 0 ? this.allowed.toRead(topK, tokens.length) : undefined;
  }

  private drawAfter(prefix: Prefix, next: NextWords): Draw {
    if (this.toRead(prefix) !== undefined) {
      const words = this.allowed.after(prefix, next, this.options.topK);
      const { logProbabilities } = shaped(
        words.map(({ token }) => token),
        words.map(({ logProbability }) => logProbability),
        this.options,
      );
      return (uniform) => words.at(sampleIndex(logProbabilities, uniform));
    }
    const { processors, unknown } = this.rules;
    const scores = scoresOf(next, prefix, processors);
    return (uniform) => {
      const token = sampleWord(scores, this.options, uniform, unknown);
      if (token === undefined) return undefined;
      return { token, logProbability: next.logProbabilities[prefix.row * next.vocabularySize + token] };
    };
  }
}
