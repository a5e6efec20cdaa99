import type { SearchConfig } from '../config.js';
import type { Random } from '../random.js';
import { BeamSearch } from './beam.js';
import { bestFirst, type CaptionSearch, type NextWords, type Prefix } from './caption-search.js';
import { CaptionVectors, captionSimilarity } from './ngram-similarity.js';
import type { CandidateObserver } from './observer.js';
import type { SearchRules } from './processors.js';
import { Sampler } from './sampling.js';
import type { Hypothesis } from './stepper.js';

export type ConsensusOptions = Pick<SearchConfig, 'beam' | 'n' | 'samples' | 'maxLength' | 'lengthPenalty'>;

/** Words that samples are drawn from at each position. */
const topK = 64;

/**
 * Minimum Bayes risk decoding (Kumar and Byrne 2004) for the captions of one photo: of the captions
 * that a beam search finds, those most similar on average to captions sampled from the decoder.
 * The likeliest caption often says what few others say; the consensus says what most agree on.
 *
 * Similarity is CIDEr-D by the decoder's own words, see {@link captionSimilarity}; the mean over
 * the samples is the caption's {@link Hypothesis.score}, in [0, 1].
 */
export class ConsensusSearch implements CaptionSearch {
  private readonly candidates: BeamSearch;
  private readonly samples: Sampler;
  private unfinished: readonly (BeamSearch | Sampler)[];

  /** @param rarity of each word, [V]. */
  constructor(
    private readonly options: ConsensusOptions,
    private readonly rarity: Float64Array,
    random: Random,
    rules: SearchRules,
    observe?: CandidateObserver,
  ) {
    const { beam, samples } = options;
    this.candidates = new BeamSearch({ ...options, n: beam }, rules, observe);
    this.samples = new Sampler({ ...options, n: samples, temperature: 1, topK, topP: 1 }, random, rules);
    this.unfinished = [this.candidates, this.samples];
  }

  get topK(): number | undefined {
    const reads = this.unfinished.map((search) => search.topK ?? Infinity);
    const most = Math.max(...reads);
    return most === Infinity ? undefined : most;
  }

  get live(): readonly Prefix[] {
    return this.unfinished.flatMap(({ live }) => live);
  }

  advance(next: NextWords): boolean {
    this.unfinished = this.unfinished.filter((search) => search.advance(next));
    return this.unfinished.length > 0;
  }

  captions(): Hypothesis[] {
    const vectors = new CaptionVectors(this.rarity);
    const samples = countEqual(this.samples.captions()).map(({ caption, count }) => ({
      vector: vectors.of(caption.tokens),
      share: count / this.options.samples,
    }));
    return this.candidates
      .captions()
      .map((candidate) => {
        const vector = vectors.of(candidate.tokens);
        const score = samples.reduce((sum, sample) => sum + sample.share * captionSimilarity(vector, sample.vector), 0);
        return { ...candidate, score };
      })
      .sort(bestFirst)
      .slice(0, this.options.n);
  }
}

/** The different captions among those given, with the number of times that each occurs. */
function countEqual(captions: readonly Hypothesis[]): { caption: Hypothesis; count: number }[] {
  const found = new Map<string, { caption: Hypothesis; count: number }>();
  for (const caption of captions) {
    const key = caption.tokens.join(' ');
    const known = found.get(key);
    if (known) known.count++;
    else found.set(key, { caption, count: 1 });
  }
  return [...found.values()];
}
