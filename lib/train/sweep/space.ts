import { DecoderConfig, nearest, parseConfig, TrainingConfig, VocabularyConfig } from '../../config.js';
import { CaptionerError } from '../../errors.js';
import { sha256OfBytes } from '../../files/checksum.js';
import type { Random } from '../../random.js';

/** Hyperparameters that a sweep can vary: those of vocabulary, decoder and training. Seeds and the measure are the sweep's own. */
export type SweptHyperparameters = VocabularyConfig & DecoderConfig & Omit<TrainingConfig, 'seed' | 'chooseBy'>;

/** A range that random search samples from, evenly or, with `log`, evenly on a logarithmic scale. */
export interface SweepRange {
  readonly from: number;
  readonly to: number;
  readonly log?: boolean;
}

/** Values to try, by hyperparameter: a list, or for numbers in random search also a range. */
export type SweepSpace = {
  readonly [Name in keyof SweptHyperparameters]?:
    readonly SweptHyperparameters[Name][] | (SweptHyperparameters[Name] extends number ? SweepRange : never);
};

/** A value of a hyperparameter. */
export type SweptValue = string | number | boolean;

/** One value for each hyperparameter of the space. */
export type SweepPoint = Readonly<Record<string, SweptValue>>;

const sections = { vocabulary: VocabularyConfig, decoder: DecoderConfig, training: TrainingConfig } as const;
const fixed: Readonly<Record<string, string>> = {
  seed: 'Set the number of seeds instead.',
  chooseBy: 'It is the measure that runs are compared by: set it for all of them.',
};

/** All combinations of the values, the last hyperparameter varying fastest. */
export function gridPoints(space: SweepSpace): SweepPoint[] {
  return entriesOf(space).reduce<SweepPoint[]>(
    (points, [name, values]) => {
      if (!isList(values)) throw refused(`${name} has a range, which only random search can sample. List its values`);
      return points.flatMap((point) => values.map((value) => ({ ...point, [name]: value })));
    },
    [{}],
  );
}

/** Distinct points sampled from the space: `count` of them, or all if there are not so many. A longer list begins with the shorter one. */
export function randomPoints(space: SweepSpace, count: number, random: Random): SweepPoint[] {
  const points = new Map<string, SweepPoint>();
  for (let tries = 0; points.size < count && tries < 100 * count; tries++) {
    const point = Object.fromEntries(entriesOf(space).map(([name, values]) => [name, sampled(name, values, random)]));
    points.set(nameOf(point), point);
  }
  return [...points.values()];
}

/** The name of a point, which is also that of its folder: `learningRate=0.001,hiddenSize=256`. */
export function nameOf(point: SweepPoint): string {
  const name = Object.entries(point)
    .map(([key, value]) => `${key}=${value}`)
    .join(',');
  const whole = (name || 'base').replaceAll(/[^\w=.,+-]+/g, '_');
  // File systems allow 255 bytes, of which the seed takes some.
  return whole.length <= 200 ? whole : `${whole.slice(0, 190)}+${sha256OfBytes(Buffer.from(name)).slice(0, 8)}`;
}

/** A point as options of a training run. */
export function optionsOf(point: SweepPoint) {
  const of = (section: keyof typeof sections) =>
    Object.fromEntries(Object.entries(point).filter(([name]) => sectionOf(name) === section));
  return { vocabulary: of('vocabulary'), decoder: of('decoder'), training: of('training') };
}

/** @throws CaptionerError `bad-option`: a hyperparameter that is not known or can't be varied, no values, or a value out of range. */
export function checkSpace(space: SweepSpace): void {
  for (const [name, values] of entriesOf(space)) {
    if (Object.hasOwn(fixed, name)) throw refused(`${name} can't be varied. ${fixed[name]}`);
    const section = sectionOf(name);
    if (!section) throw refused(`'${name}' is not a hyperparameter of training.${meant(name)}`);
    const list = isList(values) ? values : [values.from, values.to];
    if (list.length === 0) throw refused(`${name} has no values. List at least one`);
    if (!isList(values) && !(values.from < values.to && (!values.log || values.from > 0)))
      throw refused(`the range of ${name} is empty. Give a lower and a higher end, above 0 for a logarithmic scale`);
    for (const value of list) parseConfig(sections[section], { [name]: value }, 'the space of the sweep');
  }
}

type Values = readonly SweptValue[] | SweepRange;

function entriesOf(space: SweepSpace): [name: string, values: Values][] {
  return Object.entries(space as Record<string, Values | undefined>).filter(
    (entry): entry is [string, Values] => entry[1] !== undefined,
  );
}

function isList(values: Values): values is readonly SweptValue[] {
  return Array.isArray(values);
}

function sampled(name: string, values: Values, random: Random): SweptValue {
  if (isList(values)) return values[random.integer(values.length)];
  const { from, to, log } = values;
  const share = random.uniform();
  const value = log ? from * (to / from) ** share : from + (to - from) * share;
  const rounded = Number(value.toPrecision(3)); // short names of folders
  const section = sectionOf(name);
  if (section === undefined) return rounded;
  // Whole numbers where only those are allowed.
  return sections[section].safeParse({ [name]: rounded }).success ? rounded : Math.round(value);
}

function sectionOf(name: string): keyof typeof sections | undefined {
  return (Object.keys(sections) as (keyof typeof sections)[]).find((key) => Object.hasOwn(sections[key].shape, name));
}

function meant(name: string): string {
  const known = Object.values(sections).flatMap(({ shape }) => Object.keys(shape));
  const close = nearest(name, known);
  return close === undefined ? '' : ` Did you mean '${close}'?`;
}

function refused(sentence: string): CaptionerError {
  return new CaptionerError('bad-option', `In the space of the sweep, ${sentence.replace(/[^.?]$/, '$&.')}`);
}
