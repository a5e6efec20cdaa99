import type { SearchConfig } from '../config.js';
import type { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { sampleIndex, greatestPlaces, wordDistribution, type Shaping } from './distribution.js';
import {
  bestFirst,
  captionOf,
  continuedBy,
  emptyPrefix,
  type Prefix,
  type NextWords,
  type CaptionSearch,
} from './caption-search.js';
import { noRules, scoresOf, type SearchRules } from './processors.js';
import { lengthNormalized, type Hypothesis } from './stepper.js';
import type { CandidateObserver } from './observer.js';

export type StochasticBeamOptions = Shaping & Pick<SearchConfig, 'beam' | 'n' | 'maxLength' | 'lengthPenalty'>;

/**
 * Log-probability of sampling a prefix or caption, and its sum with Gumbel noise, by which it
 * competes.
 */
interface Perturbed {
  readonly samplingLogProbability: number;
  readonly perturbed: number;
}

/** A place in the beam: a prefix, or a finished caption. */
type Place = Perturbed & ({ readonly prefix: Prefix; readonly caption?: undefined } | { readonly caption: Hypothesis });

/** A word that may continue a prefix of the beam. */
interface Candidate extends Perturbed {
  readonly id: number;
  readonly from: Prefix;
  readonly token: number;
  readonly logProbability: number;
}

/**
 * Stochastic beam search (Kool, van Hoof and Welling 2019, "Stochastic Beams and Where to Find
 * Them", https://arxiv.org/abs/1903.06059): sampling without replacement by beam search. It keeps
 * the prefixes whose log-probability plus Gumbel noise is greatest. The noisy value of a prefix is
 * the maximum over its continuations, so the final `beam` captions are a sample without replacement
 * from all captions: the first by the probability of each, the second by the probabilities of the
 * rest, and so on. The `n` best are returned.
 *
 * Temperature, topK, topP and the rules reshape the decoder's probabilities before sampling. A
 * caption of `maxLength` words is cut off unless `<end>` is sampled next.
 */
export class StochasticBeamSearch implements CaptionSearch {
  live: Prefix[] = [emptyPrefix()];
  private places: Place[] = [{ prefix: this.live[0], samplingLogProbability: 0, perturbed: 0 }];
  private ids = 1;

  constructor(
    private readonly options: StochasticBeamOptions,
    private readonly random: Random,
    private readonly rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
  ) {}

  advance(next: NextWords): boolean {
    const length = this.live[0].tokens.length;
    const { beam, maxLength } = this.options;
    const ended: Place[] = [];
    const candidates: Candidate[] = [];
    for (const place of this.places) {
      if (place.caption) {
        ended.push(place);
        continue;
      }
      const continuations = length === maxLength ? this.lastWord(place, next) : this.continuations(place, next);
      if (continuations.length === 0) ended.push({ ...place, caption: this.cut(place.prefix) });
      candidates.push(...continuations);
    }
    const kept = [...ended, ...candidates].sort((a, b) => b.perturbed - a.perturbed).slice(0, beam);
    this.places = kept.map((one) => ('from' in one ? this.placeOf(one) : one));
    this.live = this.places.flatMap((place) => (place.caption ? [] : [place.prefix]));
    this.report(candidates, new Set(kept), length);
    return this.live.length > 0;
  }

  captions(): Hypothesis[] {
    const found = this.places.map((place) => place.caption ?? this.cut(place.prefix));
    return found.sort(bestFirst).slice(0, this.options.n);
  }

  /** The continuations of a prefix that may get a place, at most `beam`. */
  private continuations(place: Place & { prefix: Prefix }, next: NextWords): Candidate[] {
    const { tokens, logProbabilities } = this.distribution(place.prefix, next);
    const noisy = logProbabilities.map((log) => place.samplingLogProbability + log + gumbel(this.random));
    const best = greatestPlaces(noisy, this.options.beam);
    return best.map((i) => {
      const perturbed = withMaximum(noisy[i], noisy[best[0]], place.perturbed);
      return this.candidate(
        place.prefix,
        tokens[i],
        next,
        place.samplingLogProbability + logProbabilities[i],
        perturbed,
      );
    });
  }

  /** At the maximum length: `<end>`, if it is sampled. The place is the same either way. */
  private lastWord(place: Place & { prefix: Prefix }, next: NextWords): Candidate[] {
    const { tokens, logProbabilities } = this.distribution(place.prefix, next);
    const token = tokens[sampleIndex(logProbabilities, this.random.uniform())];
    if (token !== Vocabulary.END) return [];
    return [this.candidate(place.prefix, token, next, place.samplingLogProbability, place.perturbed)];
  }

  private candidate(
    from: Prefix,
    token: number,
    next: NextWords,
    samplingLogProbability: number,
    perturbed: number,
  ): Candidate {
    const logProbability = next.logProbabilities[from.row * next.vocabularySize + token];
    return { id: this.ids++, from, token, logProbability, samplingLogProbability, perturbed };
  }

  private distribution(prefix: Prefix, next: NextWords) {
    const { processors, unknown } = this.rules;
    return wordDistribution(scoresOf(next, prefix, processors), this.options, unknown);
  }

  private placeOf({ from, samplingLogProbability, perturbed, ...word }: Candidate): Place {
    return word.token === Vocabulary.END
      ? { samplingLogProbability, perturbed, caption: captionOf(from, this.options.lengthPenalty, word.logProbability) }
      : { samplingLogProbability, perturbed, prefix: continuedBy(from, word) };
  }

  private cut(prefix: Prefix): Hypothesis {
    return captionOf(prefix, this.options.lengthPenalty);
  }

  private report(candidates: readonly Candidate[], kept: ReadonlySet<Place | Candidate>, length: number): void {
    if (!this.observe || candidates.length === 0) return;
    this.observe(
      candidates.map((candidate) => ({
        id: candidate.id,
        parent: candidate.from.id,
        token: candidate.token,
        logProbability: candidate.logProbability,
        score: lengthNormalized(
          candidate.from.logProbability + candidate.logProbability,
          length + 1,
          this.options.lengthPenalty,
        ),
        kept: kept.has(candidate),
        finished: candidate.token === Vocabulary.END,
      })),
    );
  }
}

/** A standard Gumbel random number. The offset of half a step avoids the logarithm of 0. */
function gumbel(random: Random): number {
  return -Math.log(-Math.log(random.uniform() + 2 ** -33));
}

/**
 * Shifts one of several Gumbel numbers, given that their maximum `greatest` becomes `maximum`.
 * Numerically stable form of Kool et al. 2019, appendix B.3.
 */
function withMaximum(value: number, greatest: number, maximum: number): number {
  const v = maximum - value + logOneMinusExp(value - greatest);
  return maximum - Math.max(0, v) - Math.log1p(Math.exp(-Math.abs(v)));
}

/** ln(1 - e^x) for x <= 0. */
function logOneMinusExp(x: number): number {
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
}
