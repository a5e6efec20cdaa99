import type { SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';
import { Random } from '../random.js';
import type { Vocabulary } from '../text/vocabulary.js';
import { BeamSearch } from './beam.js';
import { ConsensusSearch } from './consensus.js';
import { wordRarity } from './ngram-similarity.js';
import { checkSearch, groupsOf } from './search-config.js';
import { DiverseBeamSearch } from './diverse-beam.js';
import { greatestPlaces } from './distribution.js';
import { runBatch, type CaptionSearch } from './caption-search.js';
import {
  endsAfterAll,
  forbidden as forbiddenWords,
  minLength,
  noRepeatNgram,
  noRepeatWords,
  type ScoreProcessor,
  type SearchRules,
  type Written,
} from './processors.js';
import { Requirements } from './requirements.js';
import { Sampler } from './sampling.js';
import { functionWords, searchWords } from './search-words.js';
import type { Hypothesis, Stepper } from './stepper.js';
import { StochasticBeamSearch } from './stochastic-beam.js';
import type { CandidateObserver, SearchObserver, TracedSearch } from './observer.js';
import { traced } from './trace.js';

/** Options for running a search, apart from its configuration. */
export interface SearchRun {
  /** Sees each step of the search. */
  readonly observe?: SearchObserver;
  /** Deadline of the search, on the clock of `performance.now()`. Default: none. */
  readonly deadline?: number;
}

/**
 * Searches for captions as a config describes. Commands, service, evaluation and notebooks all use
 * it.
 *
 * Random numbers depend on the seed and the photo alone, so a caption does not depend on the rest
 * of the batch.
 *
 * @param vocabulary the decoder's words.
 * @param features [rows, D] row-major, one row per photo.
 * @returns for each photo at most n captions, best first.
 * @throws CaptionerError `bad-option` for options that do not go together and for unknown words;
 * `mismatch` for another decoder's vocabulary; `numeric` if the decoder's probabilities are not
 * numbers; `timeout` at the deadline.
 */
export async function searchCaptions<State>(
  stepper: Stepper<State>,
  vocabulary: Vocabulary,
  features: Float32Array,
  rows: number,
  config: SearchConfig,
  { observe, deadline }: SearchRun = {},
): Promise<Hypothesis[][]> {
  if (vocabulary.size !== stepper.vocabularySize) {
    throw new CaptionerError(
      'mismatch',
      `The decoder has ${stepper.vocabularySize} words, but the vocabulary has ${vocabulary.size}. Use both from one checkpoint.`,
    );
  }
  const rules = searchRules(config, vocabulary);
  const search = searchOf(config, rules, vocabulary);
  const width = features.length / rows;
  const searches = Array.from({ length: rows }, (_, photo) => {
    const seen: CandidateObserver | undefined = observe && ((candidates) => observe(photo, candidates));
    const random = () => randomOf(config.seed, features.subarray(photo * width, (photo + 1) * width));
    return search(random, seen);
  });
  const found = await runBatch(stepper, features, searches, deadline);
  if (found.every(({ length }) => length > 0)) return found;
  throw new CaptionerError(
    'bad-option',
    `No caption of at most ${config.maxLength} words contains everything required (${config.require.join(', ')}). Require fewer words, or raise maxLength.`,
  );
}

/**
 * {@link searchCaptions} with a trace of the search. Of sampled captions it traces the sampled
 * path.
 */
export async function tracedSearch<State>(
  stepper: Stepper<State>,
  vocabulary: Vocabulary,
  features: Float32Array,
  rows: number,
  config: SearchConfig,
  { deadline }: Pick<SearchRun, 'deadline'> = {},
): Promise<TracedSearch[]> {
  return traced(rows, 2 * config.beam, (observe) =>
    searchCaptions(stepper, vocabulary, features, rows, config, { observe, deadline }),
  );
}

/**
 * The constraints that a config places on captions.
 * @throws CaptionerError `bad-option` for options that do not go together and for unknown words.
 */
export function searchRules(config: SearchConfig, vocabulary: Vocabulary): SearchRules {
  checkSearch(config);
  const { required, forbidden } = searchWords(config, vocabulary);
  const requirements = required.length > 0 ? new Requirements(required) : undefined;
  const processors: ScoreProcessor[] = [];
  if (config.minLength > 0) processors.push(minLength(config.minLength));
  // A required phrase may be a repetition.
  const requiredNext = ({ tokens }: Written) => requirements?.nextWords(tokens) ?? [];
  if (config.noRepeatNgram > 0) processors.push(noRepeatNgram(config.noRepeatNgram, requiredNext));
  if (config.repeatWords === false) processors.push(noRepeatWords(functionWords(vocabulary), requiredNext));
  if (forbidden.length > 0) processors.push(forbiddenWords(forbidden));
  if (requirements) processors.push(endsAfterAll(requirements));
  const refusesRepetition = config.noRepeatNgram > 0 || config.repeatWords === false;
  // A repetition is one of the words so far.
  const repeated = (length: number) => (refusesRepetition ? length : 0);
  const mostForbidden = requirements ? undefined : (length: number) => 1 + repeated(length) + forbidden.length;
  return { processors, mostForbidden, unknown: config.unknown, requirements };
}

/** Makes the search for one photo. */
type SearchMaker = (random: () => Random, observe?: CandidateObserver) => CaptionSearch;

function searchOf(config: SearchConfig, rules: SearchRules, vocabulary: Vocabulary): SearchMaker {
  switch (config.method) {
    case 'beam':
      return (_, observe) => new BeamSearch(config, rules, observe);
    case 'diverse':
      return (_, observe) => new DiverseBeamSearch({ ...config, groups: groupsOf(config) }, rules, observe);
    case 'sample':
      return (random, observe) => new Sampler(config, random(), rules, observe);
    case 'stochastic':
      return (random, observe) => new StochasticBeamSearch(config, random(), rules, observe);
    case 'consensus': {
      const rarity = wordRarity(vocabulary);
      return (random, observe) => new ConsensusSearch(config, rarity, random(), rules, observe);
    }
  }
}

/**
 * The random numbers of a photo, seeded by the indices of its greatest features. Those indices are
 * the same in every batch, while the last digits of a feature may differ.
 */
function randomOf(seed: number, features: Float32Array): Random {
  return new Random(seed, ...greatestPlaces(features, 4));
}
