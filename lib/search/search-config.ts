import { parseConfig, SearchConfig } from '../config.js';
import { CaptionerError } from '../errors.js';

type Method = SearchConfig['method'];

/** Which methods read an option that not all of them do. `beam`, `seed` and `lengthPenalty` do no harm where they mean nothing. */
const readBy: Partial<Record<keyof SearchConfig, readonly Method[]>> = {
  groups: ['diverse'],
  diversity: ['diverse'],
  temperature: ['sample', 'stochastic'],
  topK: ['sample', 'stochastic'],
  topP: ['sample', 'stochastic'],
  require: ['beam', 'diverse'],
};

/**
 * Checks how to search, and fills in the defaults. Where no beam is asked for, it is as wide as the captions that are asked for need;
 * of diverse search, each group is as wide as a beam is by default.
 *
 * @param widest a beam that was not asked for is not wider than this, if it can be helped.
 * @throws CaptionerError `bad-option`: a wrong value, or options that don't go together.
 */
export function resolveSearch(search: Partial<SearchConfig>, widest = 1000): SearchConfig {
  const config = parseConfig(SearchConfig, search);
  if (search.beam === undefined) config.beam = beamFor(config, widest);
  checkSearch(config);
  return config;
}

function beamFor(config: SearchConfig, widest: number): number {
  const { method, beam, n } = config;
  if (method === 'sample') return beam;
  if (method !== 'diverse') return Math.max(beam, n);
  const groups = groupsOf(config);
  const affordable = Math.min(beam, Math.floor(widest / groups));
  return groups * Math.max(1, Math.ceil(n / groups), affordable);
}

/** The groups of diverse beam search: as many as captions are asked for, where they are not given. */
export function groupsOf({ groups, n }: Pick<SearchConfig, 'groups' | 'n'>): number {
  return groups || n;
}

/**
 * Refuses options that don't go together, so that none is without effect unnoticed.
 * @throws CaptionerError `bad-option`
 */
export function checkSearch(config: SearchConfig): void {
  const { method, beam, n, minLength, maxLength } = config;
  const defaults = SearchConfig.parse({});
  for (const [option, methods] of Object.entries(readBy) as [keyof SearchConfig, readonly Method[]][]) {
    if (methods.includes(method) || String(config[option]) === String(defaults[option])) continue;
    throw refusal(`'${option}' means nothing to the method ${method}: leave it out, or choose ${methods.join(' or ')}`);
  }
  if (method !== 'sample' && n > beam) {
    throw refusal(`A beam of ${beam} can't give ${n} captions: widen the beam to ${n} or more`);
  }
  const groups = groupsOf(config);
  if (method === 'diverse' && beam % groups !== 0) {
    const below = Math.floor(beam / groups) * groups;
    const fitting = below > 0 ? `${below} or ${below + groups}` : `${groups} at least`;
    throw refusal(`${groups} groups can't share a beam of ${beam} evenly: make it ${fitting}, or choose other groups`);
  }
  if (minLength > maxLength) {
    throw refusal(`A caption can't have at least ${minLength} words (minLength) and at most ${maxLength} (maxLength)`);
  }
}

function refusal(sentence: string): CaptionerError {
  return new CaptionerError('bad-option', `${sentence}.`);
}
