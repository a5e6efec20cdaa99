import { CaptionerError } from '../errors.js';
import { BeamSearch, type BeamOptions } from './beam.js';
import { bestFirst, byTokens, runBatch, type Prefix, type NextWords, type CaptionSearch } from './caption-search.js';
import { noRules, type ScoreProcessor, type SearchRules } from './processors.js';
import type { Hypothesis, Stepper } from './stepper.js';
import type { CandidateObserver, TracedCandidate } from './observer.js';

export interface DiverseBeamOptions {
  /** Captions to find. Default 3. */
  readonly groups?: number;
  /** What a word costs, in ln p, for each group before that has just written the same word at the same place. Default 0.5, as everywhere. */
  readonly diversity?: number;
  readonly maxLength?: number;
  readonly lengthPenalty?: number;
}

/**
 * Diverse beam search ({@link DiverseBeamSearch}) with one prefix in each group: one after the other, the
 * groups choose their next word, and each avoids the words that the groups before it have chosen for this place.
 *
 * @param features [D] of one photo.
 * @returns a caption for each group, in their order; probabilities are the decoder's own.
 * @throws CaptionerError `bad-option`.
 */
export async function diverseBeamSearch<State>(
  stepper: Stepper<State>,
  features: Float32Array,
  { groups = 3, diversity = 0.5, maxLength = 20, lengthPenalty = 0.7 }: DiverseBeamOptions = {},
): Promise<Hypothesis[]> {
  if (!(groups >= 1) || !(diversity >= 0) || !(maxLength >= 1)) {
    throw new CaptionerError('bad-option', 'There is at least one group and one word, and diversity is at least 0.');
  }
  const options = { beam: groups, n: groups, groups, diversity, maxLength, lengthPenalty };
  const search = new DiverseBeamSearch(options);
  await runBatch(stepper, features, [search]);
  return search.captionsOfGroups().map(([best]) => best);
}

export interface DiverseBeamPhotoOptions extends BeamOptions {
  /** Groups that share the beam; it is a multiple of them. */
  readonly groups: number;
  readonly diversity: number;
}

/**
 * Diverse beam search for one photo's captions (Vijayakumar et al. 2018, https://arxiv.org/abs/1610.02424): the beam is shared by groups, each
 * a beam search of its own. At each place the groups choose one after the other, and a word, or `<end>`, costs `diversity` for each
 * prefix of the groups before that has just got it: the Hamming diversity of the paper. It costs at this place alone; captions are
 * ranked by the decoder's probabilities.
 */
export class DiverseBeamSearch implements CaptionSearch {
  private readonly groups: readonly BeamSearch[];
  private going: readonly BeamSearch[];
  /** How many prefixes of the groups before have just got each word. */
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
    const avoiding = { ...rules, processors: [...rules.processors, avoid] };
    const ids = { next: 1 };
    const listen = (candidates: readonly TracedCandidate[]) => {
      for (const { token, kept } of candidates) if (kept) this.chosen.set(token, (this.chosen.get(token) ?? 0) + 1);
      this.step.push(...candidates);
    };
    this.groups = Array.from({ length: groups }, (_, group) => {
      // Nothing comes before the first group, which is plain beam search.
      return new BeamSearch({ ...options, beam: width }, group === 0 ? rules : avoiding, listen, ids);
    });
    this.going = this.groups;
  }

  get live(): readonly Prefix[] {
    return this.going.flatMap(({ live }) => live);
  }

  advance(next: NextWords): boolean {
    this.chosen = new Map();
    this.step = [];
    this.going = this.going.filter((group) => group.advance(next));
    this.observe?.(this.step);
    return this.going.length > 0;
  }

  /** The best caption of each group, then the second of each, and so on, until there are n different ones, if the groups have as many; best first. */
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

  /** What each group has found, best first. */
  captionsOfGroups(): Hypothesis[][] {
    return this.groups.map((group) => group.captions());
  }
}
