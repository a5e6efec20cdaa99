import {
  CaptionerError,
  DecoderConfig,
  describeOptions,
  nearest,
  splitList,
  TrainingConfig,
  VocabularyConfig,
  type OptionDescription,
} from '../lib/index.js';
import type { SweepRange, SweepSpace } from '../lib/training.js';
import { dashed } from './options.js';

/**
 * Parses the values of a sweep: `learning-rate=0.001,0.002`, `cell=lstm,gru`, and for random search ranges: `learning-rate=log:0.0001..0.01`.
 * The library checks whether each value is allowed.
 * @throws CaptionerError `bad-option`
 */
export function parseSpace(settings: readonly string[]): SweepSpace {
  const known = new Map(
    [VocabularyConfig, DecoderConfig, TrainingConfig]
      .flatMap(describeOptions)
      .flatMap((option) => [dashed(option.name), option.name].map((name) => [name, option] as const)),
  );
  const space: Record<string, unknown> = {};
  for (const setting of settings) {
    const [, name, text] = /^-*([\w-]+)=(.*)$/.exec(setting) ?? [];
    if (name === undefined) throw refused(`'${setting}' is not of the form name=value,value`);
    const option = known.get(name);
    if (!option) {
      const meant = nearest(name, [...known.keys()]);
      throw refused(`There is no hyperparameter '${name}'.${meant === undefined ? '' : ` Did you mean '${meant}'?`}`);
    }
    if (space[option.name] !== undefined) throw refused(`${name} is given twice`);
    space[option.name] = rangeOf(text) ?? splitList(text).map((value) => valueOf(value, option, name));
  }
  return space as SweepSpace;
}

function rangeOf(text: string): SweepRange | undefined {
  const [, log, from, to] = /^(log:)?([\d.e+-]+?)\.\.([\d.e+-]+)$/i.exec(text) ?? [];
  if (from === undefined) return undefined;
  return { from: Number(from), to: Number(to), ...(log && { log: true }) };
}

function valueOf(text: string, { type }: OptionDescription, name: string): string | number | boolean {
  if (type === 'string') return text;
  const value = type === 'boolean' ? { true: true, yes: true, false: false, no: false }[text] : Number(text);
  if (value === undefined || Number.isNaN(value))
    throw refused(`${name} can't be '${text}'. Give ${type === 'boolean' ? 'true or false' : 'numbers'}`);
  return value;
}

function refused(sentence: string): CaptionerError {
  return new CaptionerError('bad-option', `--grid: ${sentence.replace(/[^.?]$/, '$&.')}`);
}
