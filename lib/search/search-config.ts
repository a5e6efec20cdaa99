import { parseConfig, SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';

type Method = SearchConfig['method'];

/**
 * The methods that read an option, for options that only some methods read. `beam`, `seed` and
 * `lengthPenalty` are harmless if they have no effect.
 */
const readBy: Partial<Record<keyof SearchConfig, readonly Method[]>> = {
  groups: ['diverse'],
  diversity: ['diverse'],
  temperature: ['sample', 'stochastic'],
  topK: ['sample', 'stochastic'],
  topP: ['sample', 'stochastic'],
  require: ['beam', 'diverse'],
  samples: ['consensus'],
};

/** Searches that were checked: they are not checked again for each batch of photos. */
const resolved = new WeakSet<Partial<SearchConfig>>();

/**
 * Checks search options and fills in the defaults. The default beam is as wide as the number of
 * captions requires; in diverse search, each group is as wide as a default beam.
 * A search that is already resolved is returned as it is.
 *
 * @param widest upper bound of a default beam, as far as n allows.
 * @throws CaptionerError `bad-option` for a wrong value, or options that do not go together.
 */
export function resolveSearch(search: Partial<SearchConfig>, widest = 1000): SearchConfig {
  if (resolved.has(search)) return search as SearchConfig;
  const config = parseConfig(SearchConfig, search);
  if (search.beam === undefined) config.beam = beamFor(config, widest);
  checkSearch(config);
  resolved.add(Object.freeze(config));
  return config;
}

/** Default number of captions that `ConsensusSearch` chooses from. */
const consensusBeam = 10;

function beamFor(config: SearchConfig, widest: number): number {
  const { method, beam, n } = config;
  if (method === 'sample') return beam;
  if (method === 'consensus') return Math.max(Math.min(consensusBeam, widest), n);
  if (method !== 'diverse') return Math.max(beam, n);
  const groups = groupsOf(config);
  const affordable = Math.min(beam, Math.floor(widest / groups));
  return groups * Math.max(1, Math.ceil(n / groups), affordable);
}

/** Number of groups of diverse beam search. Default: one per caption. */
export function groupsOf({ groups, n }: Pick<SearchConfig, 'groups' | 'n'>): number {
  return groups || n;
}

/**
 * Refuses options that do not go together, so that none is silently ignored.
 * @throws CaptionerError `bad-option`
 */
export function checkSearch(config: SearchConfig): void {
  if (resolved.has(config)) return;
  const { method, beam, n, minLength, maxLength } = config;
  const defaults = SearchConfig.parse({});
  for (const [option, methods] of Object.entries(readBy) as [keyof SearchConfig, readonly Method[]][]) {
    if (methods.includes(method) || String(config[option]) === String(defaults[option])) continue;
    throw refusal(`'${option}' has no effect with method ${method}. Leave it out, or choose ${methods.join(' or ')}`);
  }
  if (method !== 'sample' && n > beam) {
    throw refusal(`A beam of ${beam} can't give ${n} captions. Widen the beam to at least ${n}`);
  }
  const groups = groupsOf(config);
  if (method === 'diverse' && beam % groups !== 0) {
    const below = Math.floor(beam / groups) * groups;
    const fitting = below > 0 ? `${below} or ${below + groups}` : `at least ${groups}`;
    throw refusal(
      `A beam of ${beam} can't be divided into ${groups} groups. Make it ${fitting}, or change the number of groups`,
    );
  }
  if (minLength > maxLength) {
    throw refusal(`minLength (${minLength}) exceeds maxLength (${maxLength}). Lower minLength or raise maxLength`);
  }
}

function refusal(sentence: string): CaptionerError {
  return new CaptionerError('bad-option', `${sentence}.`);
}
