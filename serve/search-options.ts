import * as z from 'zod';
import {
  CaptionerError,
  describeOptions,
  parseConfig,
  resolveSearch,
  SearchConfig,
  searchCost,
  splitList,
  type OptionDescription,
} from '../lib/index.js';
import type { ServiceConfig } from './config.js';

/** Limits on the searches of clients. */
export type SearchLimits = Pick<ServiceConfig, 'maxBeam' | 'maxLength' | 'maxEvaluations'>;

/** The options of a search as fields of a query or a body, all optional. */
export type SearchFields = z.ZodObject<Record<string, z.ZodType>>;

/**
 * Schema of the options of a search, in text or, in JSON, as numbers and lists. In text, lists have commas; in a query a list may also be
 * given word by word, `require=dog&require=grass`. Requests are checked by it, and the documentation shows it.
 */
export function searchFields({ maxBeam, maxLength }: SearchLimits): SearchFields {
  const limits: Partial<Record<string, number>> = { beam: maxBeam, n: maxBeam, maxLength, minLength: maxLength };
  return z.strictObject(
    Object.fromEntries(
      describeOptions(SearchConfig).map((option) => [option.name, field(option, limits[option.name])]),
    ),
  );
}

/**
 * Options for converting the schemas to JSON Schema: zod leaves out the default of a field that is
 * read from text.
 */
export const documented = {
  override: ({ zodSchema, jsonSchema }: { zodSchema: z.core.$ZodType; jsonSchema: z.core.JSONSchema.BaseSchema }) => {
    const { default: standard } = z.globalRegistry.get(zodSchema) ?? {};
    if (standard !== undefined) jsonSchema.default = standard;
  },
};

function field(option: OptionDescription, limit?: number): z.ZodType {
  const { name, type, choices, minimum, maximum, help, default: standard } = option;
  const config = SearchConfig.shape[name as keyof SearchConfig] as z.ZodDefault<z.ZodType>;
  const checked =
    limit === undefined ? config.unwrap() : (config.unwrap() as z.ZodNumber).max(limit, `at most ${limit} here`);
  const most = limit ?? maximum;
  return z
    .preprocess((value, context) => {
      if (Array.isArray(value) && type !== 'strings') context.addIssue(`'${name}' is given more than once`);
      return typeof value === 'string' ? fromText(option, value) : value;
    }, checked.optional())
    .optional()
    .meta({
      ...(type === 'strings' ? { type: 'array', items: { type: 'string' } } : { type }),
      description: help,
      ...(choices && { enum: choices }),
      ...(minimum !== undefined && { minimum }),
      ...(most !== undefined && { maximum: most }),
      default: standard,
    });
}

/** Reads "3" as a number if the option is a number. */
function fromText({ type }: OptionDescription, text: string): unknown {
  if (type === 'strings') return splitList(text);
  if (type === 'boolean' && /^(true|false)$/.test(text)) return text === 'true';
  const isNumber = (type === 'number' || type === 'integer') && text.trim() !== '' && Number.isFinite(Number(text));
  return isNumber ? Number(text) : text;
}

/**
 * The search in a request, from fields of the query and the body. Those of the body take precedence.
 * @throws CaptionerError `bad-option`: which field is wrong, and what it may be.
 */
export function readSearch(
  fields: SearchFields,
  query: Readonly<Record<string, unknown>>,
  body: Readonly<Record<string, unknown>>,
  { maxBeam, maxEvaluations }: SearchLimits,
): SearchConfig {
  const search = resolveSearch({ ...query, ...parseConfig(fields, body) }, maxBeam);
  const cost = searchCost(search);
  if (cost <= maxEvaluations) return search;
  const [asked, allowed] = [cost, maxEvaluations].map((words) => words.toLocaleString('en'));
  throw new CaptionerError(
    'bad-option',
    `This search evaluates up to ${asked} words for a photo; this service allows ${allowed}. ` +
      'Use a narrower beam, a lower maxLength, or require fewer words.',
  );
}
