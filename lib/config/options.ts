import { distance } from 'fastest-levenshtein';
import * as z from 'zod';
import { CaptionerError } from '../errors.js';

/** The schema of a config. */
export type ConfigSchema = z.ZodObject<Record<string, z.ZodType>>;

const renamed = new WeakMap<ConfigSchema, Readonly<Record<string, string>>>();

/** Registers the former names of a config's hyperparameters: files that were written with them are still read. */
export function withFormerNames(schema: ConfigSchema, names: Readonly<Record<string, string>>): void {
  renamed.set(schema, names);
}

const moved = new WeakMap<ConfigSchema, Readonly<Record<string, Readonly<Record<string, string>>>>>();

/** Registers values that belonged to another hyperparameter: of each name, the values and the present names. */
export function withFormerValues(
  schema: ConfigSchema,
  values: Readonly<Record<string, Readonly<Record<string, string>>>>,
): void {
  moved.set(schema, values);
}

/** The former names of a config's hyperparameters, each with the present name. */
export const formerNames = (schema: ConfigSchema): Readonly<Record<string, string>> => renamed.get(schema) ?? {};

/** A value of a record by a name that may come from anywhere, such as `__proto__`. */
function ownValue<Value>(record: Readonly<Record<string, Value>> | undefined, name: string): Value | undefined {
  return record && Object.hasOwn(record, name) ? record[name] : undefined;
}

/** The same values under present names. A value under the present name wins over one under a former name. */
export function presentNames<T>(schema: ConfigSchema, values: T): T {
  if (typeof values !== 'object' || values === null) return values;
  const present: [string, unknown][] = [];
  const former: [string, unknown][] = [];
  for (const [name, value] of Object.entries(values) as [string, unknown][]) {
    const renamed =
      ownValue(formerNames(schema), name) ??
      (typeof value === 'string' ? ownValue(ownValue(moved.get(schema), name), value) : undefined);
    if (renamed === undefined) present.push([name, value]);
    else former.push([renamed, value]);
  }
  return Object.fromEntries([...former, ...present]) as T;
}

/** The schema of a config in a file, where hyperparameters may have former names. */
export const savedConfig = <S extends ConfigSchema>(schema: S) =>
  z.preprocess((values) => presentNames(schema, values), schema);

/** The description of a hyperparameter, for help texts, flags and forms. */
export interface OptionDescription {
  readonly name: string;
  readonly type: 'string' | 'number' | 'integer' | 'boolean' | 'strings' | 'numbers';
  readonly choices?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly default: string | number | boolean | readonly string[] | readonly number[];
  readonly help: string;
}

/** Describes each hyperparameter of a config, in the order of its declaration. */
export function describeOptions(schema: ConfigSchema): OptionDescription[] {
  const { properties } = z.toJSONSchema(schema, { io: 'input' }) as unknown as {
    properties: Record<
      string,
      Omit<OptionDescription, 'name' | 'help' | 'type'> & {
        type: Exclude<OptionDescription['type'], 'strings' | 'numbers'> | 'array';
        items?: { type: string };
        description: string;
        enum?: string[];
      }
    >;
  };
  return Object.entries(properties).map(([name, p]) => ({
    name,
    type: p.type !== 'array' ? p.type : p.items?.type === 'number' ? 'numbers' : 'strings',
    ...(p.enum && { choices: p.enum }),
    ...(p.minimum !== undefined && p.minimum > Number.MIN_SAFE_INTEGER && { minimum: p.minimum }),
    ...(p.maximum !== undefined && p.maximum < Number.MAX_SAFE_INTEGER && { maximum: p.maximum }),
    default: p.default,
    help: p.description,
  }));
}

/** The items of a comma-separated list: "dog, on the grass" has two. */
export function splitList(text: string): string[] {
  return text
    .split(',')
    .map((words) => words.trim())
    .filter(Boolean);
}

/** The candidate with the spelling closest to `name`; undefined if none is close. */
export function nearest(name: string, candidates: readonly string[]): string | undefined {
  const best = [...candidates].sort((a, b) => distance(name, a) - distance(name, b))[0];
  return best !== undefined && distance(name, best) <= Math.max(2, name.length / 2) ? best : undefined;
}

/**
 * Checks `values` against a config schema and fills in the defaults.
 *
 * @param source origin of the values, for the message ("train.json", "the command line").
 * @throws CaptionerError `bad-option`: an unknown name (with the nearest known one), a wrong type, a value out of range.
 */
export function parseConfig<S extends ConfigSchema>(schema: S, values: unknown, source = 'the options'): z.output<S> {
  // A program checks few configs. Compiling the schema first would take longer than checking them without that.
  const result = schema.safeParse(presentNames(schema, values ?? {}), { jitless: true });
  if (result.success) return result.data;
  const problems = result.error.issues.map((issue) => {
    if (issue.code === 'unrecognized_keys') {
      return issue.keys
        .map((key) => {
          const meant = nearest(key, Object.keys(schema.shape));
          return `'${key}' is not known${meant ? `; did you mean '${meant}'?` : `, only ${Object.keys(schema.shape).join(', ')}`}`;
        })
        .join('; ');
    }
    const name = issue.path.join('.');
    if (issue.code === 'invalid_value') {
      const choices = issue.values.map(String);
      const given = String((values as Record<string, unknown>)[name]);
      const meant = nearest(given, choices);
      return `${name} '${given}' is not one of ${choices.join(', ')}${meant ? `; did you mean '${meant}'?` : ''}`;
    }
    return name ? `${name}: ${issue.message}` : issue.message;
  });
  throw new CaptionerError('bad-option', `In ${source}: ${problems.join('; ')}.`);
}
