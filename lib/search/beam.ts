import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import { Vocabulary } from '../text/vocabulary.js';
import {
  bestFirst,
  byTokens,
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
import { topWords, type NextWord } from './top-words.js';
import type { CandidateObserver, SearchObserver } from './observer.js';

export type BeamOptions = Pick<SearchConfig, 'beam' | 'n' | 'maxLength' | 'lengthPenalty'>;

/**
 * Beam search (as in Vinyals et al. 2015): of each photo the `beam` likeliest prefixes are kept and each is continued by its `beam`
 * likeliest words. One that `<end>` continues is finished; the others compete for the next `beam` places.
 * A photo is done when none of its prefixes can become better than its n best finished captions, or at `maxLength` words. Where fewer
 * than n are finished by then, the likeliest unfinished ones follow.
 *
 * One call of `step` advances all beams of all photos that are not done. Equally likely captions are in the order of their
 * words' numbers, so the outcome does not depend on what else is in the batch.
 *
 * @param features [rows, D] row-major, a row for each photo.
 * @param observe sees how the search goes on.
 * @returns for each photo at most n captions, best first by {@link Hypothesis.score}.
 * @throws CaptionerError `bad-option` when n exceeds the beam; `numeric` when the decoder's probabilities are no numbers.
 */
export async function beamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  rows: number,
  config: BeamOptions,
  observe?: SearchObserver,
): Promise<Hypothesis[][]> {
  if (config.n > config.beam) {
    throw new CaptionerError(
      'bad-option',
      `A beam of ${config.beam} can't give ${config.n} captions: widen the beam to ${config.n} or more.`,
    );
  }
  const searches = Array.from({ length: rows }, (_, photo) => {
    return new BeamSearch(config, noRules, observe && ((candidates) => observe(photo, candidates)));
  });
  return runBatch(stepper, features, searches);
}

/** A word that may continue a prefix. */
interface Continuation extends NextWord {
  /** By how much its score differs from ln p. */
  readonly bonus?: number;
}

/** A prefix and a word that may continue it, competing for a place. Most get none: only of those that do is a prefix made. */
interface Candidate extends NextWord {
  readonly id: number;
  readonly from: Prefix;
  readonly rank: number;
}

/**
 * Beam search for one photo's captions. With requirements it has `beam` places for the prefixes that have met none of the required
 * words, as many for those that have met one, and so on to those that have met all (the banks of Post and Vilar 2018,
 * https://arxiv.org/abs/1804.06609, each as wide as the rows of the grid of Hokamp and Liu 2017, https://arxiv.org/abs/1704.07138).
 */
export class BeamSearch implements CaptionSearch {
  live: Prefix[] = [emptyPrefix()];
  /** The best captions that reached `<end>`, at most `n`, best first. */
  private finished: Hypothesis[] = [];

  /** @param ids gives each candidate its number; searches that share it have no number twice. */
  constructor(
    private readonly options: BeamOptions,
    private readonly rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
    private readonly ids = { next: 1 },
  ) {}

  get topK(): number | undefined {
    return this.rules.processors.length === 0 ? this.options.beam : undefined;
  }

  advance(next: NextWords): boolean {
    const { beam, lengthPenalty } = this.options;
    const length = this.live[0].tokens.length;
    const places = this.rules.requirements ? Infinity : beam;
    const competing: Candidate[] = []; // the best first
    const seen: { candidate: Candidate; caption?: Hypothesis }[] = [];
    for (const from of this.live) {
      for (const { token, logProbability, bonus = 0 } of this.continuations(from, next)) {
        const id = this.ids.next++;
        const rank = from.logProbability + logProbability + bonus;
        const ends = token === Vocabulary.END;
        const hopeless = !ends && competing.length === places && rank < competing[places - 1].rank;
        if (hopeless && !this.observe) continue;
        const candidate = { id, from, token, logProbability, rank };
        const caption = ends ? captionOf(from, lengthPenalty, logProbability) : undefined;
        if (caption) this.finished.push(caption);
        else insert(candidate, competing, places);
        if (this.observe) seen.push({ candidate, caption });
      }
    }
    const goesOn = this.keepBest(competing, length);
    if (this.observe) {
      const kept = new Set<unknown>([...this.live.map(({ id }) => id), ...this.finished]);
      this.observe(
        seen.map(({ candidate: { id, from, token, logProbability }, caption }) => ({
          id,
          parent: from.id,
          token,
          logProbability,
          score: lengthNormalized(from.logProbability + logProbability, length + 1, lengthPenalty),
          kept: kept.has(caption ?? id),
          finished: caption !== undefined,
        })),
      );
    }
    return goesOn;
  }

  captions(): Hypothesis[] {
    const { n, lengthPenalty } = this.options;
    const { finished } = this;
    // What was finished by the very last step is among the live ones, too.
    const unfinished = this.live.filter(
      (prefix) => this.meetsAll(prefix) && finished.every((caption) => byTokens(prefix, caption) !== 0),
    );
    const cut = unfinished.map((prefix) => captionOf(prefix, lengthPenalty));
    return [...finished, ...cut].sort(bestFirst).slice(0, n);
  }

  /** The likeliest words after a prefix, `beam` of them, and those that bring it nearer to what is required. */
  private continuations(prefix: Prefix, next: NextWords): Continuation[] {
    const { beam } = this.options;
    const { processors, unknown, requirements } = this.rules;
    const { logProbabilities, vocabularySize } = next;
    if (processors.length === 0) return next.top(prefix.row, beam, unknown);
    const scores = scoresOf(next, prefix, processors);
    const tokens = topWords(scores, 0, vocabularySize, beam, unknown).map(({ token }) => token);
    const wanted = requirements?.nextWords(prefix.tokens).filter((token) => scores[token] > -Infinity) ?? [];
    return [...new Set([...tokens, ...wanted])].map((token) => {
      const logProbability = logProbabilities[prefix.row * vocabularySize + token];
      return { token, logProbability, bonus: scores[token] - logProbability };
    });
  }

  /** Leaves the n best captions and the likeliest prefixes. @returns whether the search goes on. */
  private keepBest(competing: readonly Candidate[], length: number): boolean {
    const { n, maxLength, lengthPenalty } = this.options;
    this.finished = this.finished.sort(bestFirst).slice(0, n);
    // At the greatest length only <end> may follow, and without a continuation the prefixes stay as they are.
    if (length === maxLength || (!competing.length && !this.finished.length)) return false;
    const best = this.rules.requirements ? this.fillBanks(competing) : competing;
    this.live = best.map((candidate) => continuedBy(candidate.from, candidate));
    if (!this.live.length) return false;
    if (this.finished.length < n) return true;
    // More words can only lower a log-probability, and divide it by at most the greatest length.
    const likeliest = this.live.reduce((most, { logProbability }) => Math.max(most, logProbability), -Infinity);
    return lengthNormalized(likeliest, maxLength + 1, lengthPenalty) > this.finished[n - 1].score;
  }

  /** The best of those that have met as many of the required words, `beam` of each. */
  private fillBanks(sorted: readonly Candidate[]): Candidate[] {
    const taken = new Map<number, number>();
    return sorted.filter(({ from, token }) => {
      const bank = this.rules.requirements!.met([...from.tokens, token]);
      const places = taken.get(bank) ?? 0;
      taken.set(bank, places + 1);
      return places < this.options.beam;
    });
  }

  private meetsAll({ tokens }: Prefix): boolean {
    const { requirements } = this.rules;
    return !requirements || requirements.met(tokens) === requirements.total;
  }
}

/** Puts a candidate into its place among the best so far, of which there are no more than `places`. */
function insert(candidate: Candidate, best: Candidate[], places: number): void {
  let place = best.length;
  while (place > 0 && competition(candidate, best[place - 1]) < 0) place--;
  best.splice(place, 0, candidate);
  if (best.length > places) best.pop();
}

/** Orders candidates from the best on; equally likely ones by the numbers of their words. */
function competition(a: Candidate, b: Candidate): number {
  return b.rank - a.rank || byTokens(a.from, b.from) || a.token - b.token;
}
