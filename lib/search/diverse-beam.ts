import { CaptionerError } from '../errors.js';
import { BeamSearch, type BeamOptions } from './beam.js';
import { bestFirst, byTokens, runBatch, type Prefix, type NextWords, type CaptionSearch } from './caption-search.js';
import { noRules, type ScoreProcessor, type SearchRules } from './processors.js';
import type { Hypothesis, Stepper } from './stepper.js';
import type { CandidateObserver, TracedCandidate } from './observer.js';

/** Options of diverse beam search. */
export interface DiverseBeamOptions {
  /** Number of captions. Default 3. */
  readonly groups?: number;
  /**
   * Penalty, in log-probability, for a word that an earlier group has just written at the same
   * position. Default 0.5.
   */
  readonly diversity?: number;
  readonly maxLength?: number;
  readonly lengthPenalty?: number;
}

/**
 * Diverse beam search (`DiverseBeamSearch`) with one prefix per group. The groups choose
 * their next word in turn, and each avoids the words that earlier groups have chosen for this
 * position.
 *
 * @param features [D] of one photo.
 * @returns one caption per group, in group order. Probabilities are the decoder's own.
 * @throws CaptionerError `bad-option`.
 */
export async function diverseBeamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  { groups = 3, diversity = 0.5, maxLength = 20, lengthPenalty = 0.7 }: DiverseBeamOptions = {},
): Promise<Hypothesis[]> {
  if (!(groups >= 1) || !(diversity >= 0) || !(maxLength >= 1)) {
    throw new CaptionerError('bad-option', 'groups and maxLength must be at least 1, and diversity at least 0.');
  }
  const options = { beam: groups, n: groups, groups, diversity, maxLength, lengthPenalty };
  const search = new DiverseBeamSearch(options);
  await runBatch(stepper, features, [search]);
  return search.captionsOfGroups().map(([best]) => best);
}

export interface DiverseBeamPhotoOptions extends BeamOptions {
  /** Groups that share the beam. The beam must be a multiple of it. */
  readonly groups: number;
  readonly diversity: number;
}

/**
 * Diverse beam search for the captions of one photo (Vijayakumar et al. 2018,
 * https://arxiv.org/abs/1610.02424). Groups share the beam, and each runs its own beam search.
 * At each position the groups choose in turn. A word, or `<end>`, costs `diversity` for each prefix
 * of an earlier group that has just received it (the paper's Hamming diversity). The cost applies
 * at this position alone; captions are ranked by the decoder's probabilities.
 */
export class DiverseBeamSearch implements CaptionSearch {
  private readonly groups: readonly BeamSearch[];
  private unfinished: readonly BeamSearch[];
  /** For each word, the number of prefixes in earlier groups that have just received it. */
  private chosen = new Map<number, number>();
  private step: TracedCandidate[] = [];

  constructor(
    private readonly options: DiverseBeamPhotoOptions,
    rules: SearchRules = noRules,
    private readonly observe?: CandidateObserver,
  ) {
    const { groups, beam, diversity } = options;
    const width = beam / groups;
    const avoid: ScoreProcessor = (scores) => {
      for (const [token, times] of this.chosen) scores[token] -= diversity * times;
    };
    const avoiding = { ...rules, processors: [...rules.processors, avoid], mostForbidden: undefined };
    const ids = { next: 1 };
    const listen = (candidates: readonly TracedCandidate[]) => {
      for (const { token, kept } of candidates) if (kept) this.chosen.set(token, (this.chosen.get(token) ?? 0) + 1);
      this.step.push(...candidates);
    };
    this.groups = Array.from({ length: groups }, (_, group) => {
      // The first group has no predecessor: it is plain beam search.
      return new BeamSearch({ ...options, beam: width }, group === 0 ? rules : avoiding, listen, ids);
    });
    this.unfinished = this.groups;
  }

  get live(): readonly Prefix[] {
    return this.unfinished.flatMap(({ live }) => live);
  }

  advance(next: NextWords): boolean {
    this.chosen = new Map();
    this.step = [];
    this.unfinished = this.unfinished.filter((group) => group.advance(next));
    this.observe?.(this.step);
    return this.unfinished.length > 0;
  }

  /**
   * The best caption of each group, then the second best of each, and so on, until there are n
   * different ones. Sorted best first.
   */
  captions(): Hypothesis[] {
    const found = this.captionsOfGroups();
    const different: Hypothesis[] = [];
    for (let rank = 0; rank < Math.max(...found.map(({ length }) => length)); rank++) {
      for (const captions of found) {
        const caption = captions.at(rank);
        if (caption && different.every((other) => byTokens(other, caption) !== 0)) different.push(caption);
      }
    }
    return different.slice(0, this.options.n).sort(bestFirst);
  }

  /** The captions of each group, best first. */
  captionsOfGroups(): Hypothesis[][] {
    return this.groups.map((group) => group.captions());
  }
}
