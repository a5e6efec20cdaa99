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
import { AllowedWords, noRules, scoresOf, type SearchRules } from './processors.js';
import { lengthNormalized, type Hypothesis, type Stepper } from './stepper.js';
import { topWords, type NextWord } from './top-words.js';
import type { CandidateObserver, SearchObserver } from './observer.js';

export type BeamOptions = Pick<SearchConfig, 'beam' | 'n' | 'maxLength' | 'lengthPenalty'>;

/**
 * Beam search as in Vinyals et al. 2015. For each photo it keeps the `beam` likeliest prefixes and
 * continues each with its `beam` likeliest words. A prefix continued by `<end>` is finished; the
 * others compete for the next `beam` places. The search for a photo stops when no prefix can still
 * beat its n best finished captions, or at `maxLength` words. If fewer than n captions are finished
 * by then, the likeliest unfinished ones follow.
 *
 * One call of `step` advances all beams of all unfinished photos. Ties are ordered by token id, so
 * the result does not depend on the rest of the batch.
 *
 * @param features [rows, D] row-major, one row per photo.
 * @param observe receives each step of the search.
 * @returns for each photo at most n captions, best first by {@link Hypothesis.score}.
 * @throws CaptionerError `bad-option` if n exceeds the beam; `numeric` if the decoder's
 * probabilities are not numbers.
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
      `A beam of ${config.beam} can't give ${config.n} captions. Widen the beam to at least ${config.n}.`,
    );
  }
  const searches = Array.from({ length: rows }, (_, photo) => {
    return new BeamSearch(config, noRules, observe && ((candidates) => observe(photo, candidates)));
  });
  return runBatch(stepper, features, searches);
}

/** A word that may continue a prefix. */
interface Continuation extends NextWord {
  /** Score minus log-probability. */
  readonly bonus?: number;
}

/**
 * A prefix and a word that may continue it, competing for a place. Only the winners become
 * prefixes.
 */
interface Candidate extends NextWord {
  readonly id: number;
  readonly from: Prefix;
  readonly rank: number;
}

/**
 * Beam search for the captions of one photo. With requirements it has `beam` places for prefixes
 * that contain none of the required words, as many for those that contain one, and so on up to all
 * of them: the banks of Post and Vilar 2018 (https://arxiv.org/abs/1804.06609), each as wide as a
 * row of the grid of Hokamp and Liu 2017 (https://arxiv.org/abs/1704.07138).
 */
export class BeamSearch implements CaptionSearch {
  live: Prefix[] = [emptyPrefix()];
  /** The best captions that reached `<end>`, at most `n`, best first. */
  private finished: Hypothesis[] = [];
  private readonly allowed: AllowedWords;

  /**
   * @param ids counter that numbers the candidates. Searches that share it never use a number
   * twice.
   */
  constructor(
    private readonly options: BeamOptions,
    private readonly rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
    private readonly ids = { next: 1 },
  ) {
    this.allowed = new AllowedWords(rules);
  }

  get topK(): number | undefined {
    return this.allowed.toRead(this.options.beam, this.live[0].tokens.length);
  }

  advance(next: NextWords): boolean {
    const { beam, lengthPenalty } = this.options;
    const length = this.live[0].tokens.length;
    const places = this.rules.requirements ? Infinity : beam;
    const competing: Candidate[] = []; // best first
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
    const continues = this.keepBest(competing, length);
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
    return continues;
  }

  captions(): Hypothesis[] {
    const { n, lengthPenalty } = this.options;
    const { finished } = this;
    // A caption finished in the very last step also has its prefix among the live ones.
    const unfinished = this.live.filter(
      (prefix) => this.meetsAll(prefix) && finished.every((caption) => byTokens(prefix, caption) !== 0),
    );
    const cut = unfinished.map((prefix) => captionOf(prefix, lengthPenalty));
    return [...finished, ...cut].sort(bestFirst).slice(0, n);
  }

  /** The `beam` likeliest words after a prefix, and those that complete more of the requirements. */
  private continuations(prefix: Prefix, next: NextWords): Continuation[] {
    const { beam } = this.options;
    const { processors, unknown, requirements } = this.rules;
    const { logProbabilities, vocabularySize } = next;
    if (this.topK !== undefined) return this.allowed.after(prefix, next, beam);
    const scores = scoresOf(next, prefix, processors);
    const tokens = topWords(scores, 0, vocabularySize, beam, unknown).map(({ token }) => token);
    const wanted = requirements?.nextWords(prefix.tokens).filter((token) => scores[token] > -Infinity) ?? [];
    return [...new Set([...tokens, ...wanted])].map((token) => {
      const logProbability = logProbabilities[prefix.row * vocabularySize + token];
      return { token, logProbability, bonus: scores[token] - logProbability };
    });
  }

  /** Keeps the n best captions and the likeliest prefixes. Returns whether to continue. */
  private keepBest(competing: readonly Candidate[], length: number): boolean {
    const { n, maxLength, lengthPenalty } = this.options;
    this.finished = this.finished.sort(bestFirst).slice(0, n);
    // At the maximum length only <end> may follow. Without a continuation the prefixes stay as they
    // are.
    if (length === maxLength || (!competing.length && !this.finished.length)) return false;
    const best = this.rules.requirements ? this.fillBanks(competing) : competing;
    this.live = best.map((candidate) => continuedBy(candidate.from, candidate));
    if (!this.live.length) return false;
    if (this.finished.length < n) return true;
    // Upper bound: more words only lower the log-probability, and the penalty divides it by at most
    // the maximum length.
    const likeliest = this.live.reduce((most, { logProbability }) => Math.max(most, logProbability), -Infinity);
    return lengthNormalized(likeliest, maxLength + 1, lengthPenalty) > this.finished[n - 1].score;
  }

  /**
   * The `beam` best candidates of each bank. A bank holds the candidates that contain equally many
   * required words.
   */
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

/** Inserts a candidate into the sorted list of the best, which holds at most `places`. */
function insert(candidate: Candidate, best: Candidate[], places: number): void {
  let place = best.length;
  while (place > 0 && competition(candidate, best[place - 1]) < 0) place--;
  best.splice(place, 0, candidate);
  if (best.length > places) best.pop();
}

/** Orders candidates best first, ties by token id. */
function competition(a: Candidate, b: Candidate): number {
  return b.rank - a.rank || byTokens(a.from, b.from) || a.token - b.token;
}
