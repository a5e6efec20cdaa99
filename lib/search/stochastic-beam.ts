import type { SearchConfig } from '../config.js';
import type { Random } from '../random.js';
import { Vocabulary } from '../text/vocabulary.js';
import { drawIndex, greatestPlaces, wordDistribution, type Shaping } from './distribution.js';
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

/** Of a prefix or caption: ln p of drawing it, and that plus Gumbel noise, by which it competes. */
interface Perturbed {
  readonly drawLogProbability: number;
  readonly perturbed: number;
}

/** A place in the beam: a prefix, or a caption that came to its end. */
type Place = Perturbed & ({ readonly prefix: Prefix; readonly caption?: undefined } | { readonly caption: Hypothesis });

/** A word that may continue a prefix of the beam. */
interface Candidate extends Perturbed {
  readonly id: number;
  readonly from: Prefix;
  readonly token: number;
  readonly logProbability: number;
}

/**
 * Stochastic beam search (Kool, van Hoof and Welling 2019, "Stochastic Beams and Where to Find Them", https://arxiv.org/abs/1903.06059): a
 * beam search that draws. Where beam search keeps the likeliest prefixes, this keeps those whose ln p plus a random number (of the
 * Gumbel distribution) is greatest. The number of a prefix is the greatest of those of its continuations, and so the `beam`
 * captions that are left in the end are a sample without replacement of all captions there are: the first by the probability of each, the second
 * by the probabilities of the others, and so on. The `n` best of them are given.
 *
 * Captions are drawn by what temperature, topK, topP and the rules leave of the decoder's probabilities. At `maxLength` words one
 * is cut unless `<end>` is drawn next.
 */
export class StochasticBeamSearch implements CaptionSearch {
  live: Prefix[] = [emptyPrefix()];
  private places: Place[] = [{ prefix: this.live[0], drawLogProbability: 0, perturbed: 0 }];
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
    const noisy = logProbabilities.map((log) => place.drawLogProbability + log + gumbel(this.random));
    const best = greatestPlaces(noisy, this.options.beam);
    return best.map((i) => {
      const perturbed = withMaximum(noisy[i], noisy[best[0]], place.perturbed);
      return this.candidate(place.prefix, tokens[i], next, place.drawLogProbability + logProbabilities[i], perturbed);
    });
  }

  /** At the greatest length: `<end>`, if it is drawn. The caption is the same either way, and so is its place. */
  private lastWord(place: Place & { prefix: Prefix }, next: NextWords): Candidate[] {
    const { tokens, logProbabilities } = this.distribution(place.prefix, next);
    const token = tokens[drawIndex(logProbabilities, this.random.uniform())];
    if (token !== Vocabulary.END) return [];
    return [this.candidate(place.prefix, token, next, place.drawLogProbability, place.perturbed)];
  }

  private candidate(
    from: Prefix,
    token: number,
    next: NextWords,
    drawLogProbability: number,
    perturbed: number,
  ): Candidate {
    const logProbability = next.logProbabilities[from.row * next.vocabularySize + token];
    return { id: this.ids++, from, token, logProbability, drawLogProbability, perturbed };
  }

  private distribution(prefix: Prefix, next: NextWords) {
    const { processors, unknown } = this.rules;
    return wordDistribution(scoresOf(next, prefix, processors), this.options, unknown);
  }

  private placeOf({ from, drawLogProbability, perturbed, ...word }: Candidate): Place {
    return word.token === Vocabulary.END
      ? { drawLogProbability, perturbed, caption: captionOf(from, this.options.lengthPenalty, word.logProbability) }
      : { drawLogProbability, perturbed, prefix: continuedBy(from, word) };
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

/** A number of the standard Gumbel distribution; half a step above 0, where there is none. */
function gumbel(random: Random): number {
  return -Math.log(-Math.log(random.uniform() + 2 ** -33));
}

/**
 * Moves one of several Gumbel numbers, of which `greatest` was the greatest, to where it is when `maximum` is (Kool et al. 2019, appendix
 * B.3, which does not overflow).
 */
function withMaximum(value: number, greatest: number, maximum: number): number {
  const v = maximum - value + logOneMinusExp(value - greatest);
  return maximum - Math.max(0, v) - Math.log1p(Math.exp(-Math.abs(v)));
}

/** ln(1 - e^x) for x <= 0. */
function logOneMinusExp(x: number): number {
  return x > -Math.LN2 ? Math.log(-Math.expm1(x)) : Math.log1p(-Math.exp(x));
}
