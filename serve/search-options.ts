import { resolveSearch, CaptionerError, describeOptions, SearchConfig, splitList } from '../lib/index.js';
import { givenTwice } from './body.js';

const options = describeOptions(SearchConfig);

/**
 * The search that a client asks for, from fields of the query or the body, which are text or, in JSON, numbers and lists. In text, lists have
 * commas between; in a query a list may also be given word by word, `require=dog&require=grass`.
 * @throws CaptionerError `bad-option`, ServiceError 400: which field is wrong, and what it may be.
 */
export function readSearch(fields: Readonly<Record<string, unknown>>, maxBeam: number): SearchConfig {
  const values = Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      if (Array.isArray(value) && !isList(name)) throw givenTwice(name);
      return [name, typeof value === 'string' ? fromText(name, value) : value];
    }),
  );
  const search = resolveSearch(values, maxBeam);
  for (const name of ['beam', 'n'] as const) {
    if (search[name] > maxBeam) {
      throw new CaptionerError('bad-option', `In the options: ${name} may be ${maxBeam} here, not more.`);
    }
  }
  return search;
}

function isList(name: string): boolean {
  return options.some((option) => option.name === name && option.type === 'strings');
}

/** "3" is a number where a number is wanted. */
function fromText(name: string, text: string): unknown {
  if (isList(name)) return splitList(text);
  const type = options.find((option) => option.name === name)?.type;
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  const isNumber = (type === 'number' || type === 'integer') && text.trim() !== '' && Number.isFinite(Number(text));
  return isNumber ? Number(text) : text;
}
