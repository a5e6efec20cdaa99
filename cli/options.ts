import { existsSync } from 'node:fs';
import { Command, InvalidArgumentError, Option } from 'commander';
import type { z } from 'zod';
import {
  CaptionerError,
  describeOptions,
  formerNames,
  nearest,
  parseConfig,
  presentNames,
  readJson,
  splitList,
  type ConfigSchema,
  type OptionDescription,
} from '../lib/index.js';
import { plainErrors } from './plain-errors.js';

/** The configs of a command, by their section in a config file. */
export type Sections = Record<string, ConfigSchema>;

/** The validated values of each section, with defaults. */
export type SectionValues<S extends Sections> = { [K in keyof S]: z.output<S[K]> };

/** The config flags of a command, see {@link addConfigOptions}. */
export interface ConfigOptions<S extends Sections> {
  /**
   * The flags, else the config file, else the defaults, validated.
   * @throws CaptionerError `bad-option`, `bad-input` or `not-found` if the config file can't be
   * used.
   */
  read(): SectionValues<S>;
  /**
   * Only the values given by flag or config file, not validated together. For commands that resume.
   */
  given(): { [K in keyof S]: Partial<z.output<S[K]>> };
}

interface Flag {
  readonly section: string;
  readonly name: string;
  /** Its attribute in commander: the name, with the section if two sections share it. */
  readonly attribute: string;
  /** Its former name, still accepted. */
  readonly former?: string;
  readonly option: OptionDescription;
}

/**
 * Defines a command with a description, `--quiet`, and examples in its `--help`.
 * @param description its first sentence, up to a full stop or colon, appears in the list of
 * commands. Commander wraps the lines.
 */
export function defineCommand(
  name: string,
  description: string,
  examples: readonly (readonly [line: string, what: string])[],
): Command {
  const width = Math.max(...examples.map(([line]) => line.length));
  return plainErrors(new Command(name))
    .description(description)
    .summary(`${description.split(/[.:](?:\s|$)/)[0]}.`)
    .helpOption('-h, --help', 'Print this help.')
    .option('-q, --quiet', 'Hide progress.')
    .addHelpText(
      'after',
      `\nExamples:\n${examples.map(([line, what]) => `  $ ${line.padEnd(width)}  ${what}`).join('\n')}`,
    );
}

/**
 * Adds a flag for each hyperparameter of a command's configs (`--hidden-size <n>` for hiddenSize,
 * `--x` and `--no-x` for a boolean, `--require a,b` for a list) and `--config <file.json>`. The
 * file contains the same names, with or without sections. If two sections share a name, the later
 * one's flag includes the section: `--search-max-length`.
 *
 * @param ignore keys that a config file may contain although this command does not use them.
 * @param heading a separate heading for the flags in the help.
 */
export function addConfigOptions<S extends Sections>(
  command: Command,
  sections: S,
  { ignore = [], heading }: { ignore?: readonly string[]; heading?: string } = {},
): ConfigOptions<S> {
  const flags: Flag[] = [];
  command.option('--config <file>', 'JSON file with any of the options below; flags override it.');
  for (const [section, schema] of Object.entries(sections)) {
    const former = new Map(Object.entries(formerNames(schema)).map(([before, now]) => [now, before]));
    for (const option of describeOptions(schema)) {
      const shared = flags.some((flag) => flag.name === option.name);
      const attribute = shared ? section + option.name[0].toUpperCase() + option.name.slice(1) : option.name;
      const before = former.get(option.name);
      flags.push({ section, name: option.name, attribute, ...(before !== undefined && { former: before }), option });
      for (const flag of commanderOptions(attribute, option, schema)) {
        command.addOption(heading === undefined ? flag : flag.helpGroup(heading));
      }
      if (before === undefined) continue;
      for (const flag of commanderOptions(before, option, schema)) addFormerFlag(command, flag, dashed(attribute));
    }
  }

  const given = () => {
    const { config, ...values } = command.opts<Record<string, unknown> & { config?: string }>();
    const file = config === undefined ? {} : readConfigFile(config, flags, sections, ignore);
    return Object.fromEntries(
      Object.keys(sections).map((section) => [
        section,
        {
          ...file[section],
          ...Object.fromEntries(
            flags
              .filter((flag) => flag.section === section)
              .map((flag) => [flag.name, values[flag.attribute] ?? (flag.former && values[flag.former])] as const)
              .filter(([, value]) => value !== undefined),
          ),
        },
      ]),
    ) as { [K in keyof S]: Partial<z.output<S[K]>> };
  };
  return {
    given,
    read: () => {
      // Flags were validated as commander parsed them, so an error here comes from the file.
      const source = command.opts<{ config?: string }>().config ?? 'the command line';
      return Object.fromEntries(
        Object.entries(given()).map(([section, values]) => [section, parseConfig(sections[section], values, source)]),
      ) as SectionValues<S>;
    },
  };
}

/** Parses a number from 0 to 1. */
export function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError('Expected a number from 0 to 1.');
}

/**
 * Accepts a flag under its former name, with a notice on stderr.
 * @param present the name without dashes.
 */
export function addFormerFlag(command: Command, former: Option, present: string): void {
  command.addOption(former.hideHelp());
  command.on(`option:${former.name()}`, () => {
    command.configureOutput().writeErr?.(`captioner: ${former.long} is now called --${present}. Use the new name.\n`);
  });
}

/**
 * Parses a flag that is not a hyperparameter: `command.option('--show <n>', '…', wholeNumber, 20)`.
 */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && Number.isSafeInteger(value) && value >= 0) return value;
  throw new InvalidArgumentError('Expected a whole number of at least 0.');
}

/**
 * Parses folders separated by commas, from a repeatable flag:
 * `command.option('--checkpoint <folder>', '…', checkpointFolders)`.
 */
export function checkpointFolders(text: string, before: readonly string[] = []): string[] {
  // A folder may have a comma in its name.
  const folders = existsSync(text) ? [text] : splitList(text);
  if (folders.length === 0) throw new InvalidArgumentError('Expected a folder.');
  return [...before, ...folders];
}

/** hiddenSize -> hidden-size */
export function dashed(name: string): string {
  return name.replace(/[A-Z]/g, (capital) => `-${capital.toLowerCase()}`);
}

function commanderOptions(attribute: string, option: OptionDescription, schema: ConfigSchema): Option[] {
  const flag = dashed(attribute);
  const help = `${option.help} (${details(option)})`;
  if (option.type === 'boolean') return [new Option(`--${flag}`, help), new Option(`--no-${flag}`).hideHelp()];
  const placeholder = option.choices
    ? option.name
    : { integer: 'n', number: 'x', string: 'text', strings: 'words', numbers: 'numbers' }[option.type];
  const valued = new Option(`--${flag} <${placeholder}>`, help).argParser((text: string, before?: unknown) => {
    const value = parseValue(text, option, before);
    const result = schema.shape[option.name].safeParse(Number.isNaN(value) ? text : value);
    if (result.success) return value;
    throw new InvalidArgumentError(complaint(text, option, result.error.issues[0].message));
  });
  // --no-repeat-ngram <n> takes a number: it does not negate --repeat-ngram.
  valued.negate = false;
  return [valued];
}

function parseValue(text: string, { type }: OptionDescription, before: unknown): unknown {
  if (type === 'strings') return [...((before as string[] | undefined) ?? []), ...splitList(text)];
  if (type === 'numbers') return splitList(text).map(Number);
  return type === 'string' || text.trim() === '' ? text : Number(text);
}

function complaint(text: string, option: OptionDescription, message: string): string {
  if (!option.choices) return `${message.replace(/^Invalid input: e/, 'E')}.`;
  const meant = nearest(text, option.choices);
  return `Choose one of ${option.choices.join(', ')}.${meant ? `\n(Did you mean ${meant}?)` : ''}`;
}

/** "lstm, gru or rnn; default lstm" */
function details({ type, choices, minimum, maximum, default: standard, name }: OptionDescription): string {
  if (type === 'boolean') return `default ${standard ? 'yes' : 'no'}, --no-${dashed(name)} for no`;
  if (type === 'strings') return 'separated by commas, or repeat the flag';
  let range = '';
  if (choices) range = `${choices.slice(0, -1).join(', ')} or ${choices.at(-1)}; `;
  else if (minimum !== undefined && maximum !== undefined) range = `${minimum} to ${maximum}; `;
  else if (minimum !== undefined) range = `at least ${minimum}; `;
  else if (maximum !== undefined) range = `at most ${maximum}; `;
  return `${range}default ${standard}`;
}

function readConfigFile(
  file: string,
  flags: readonly Flag[],
  sections: Sections,
  ignore: readonly string[],
): Record<string, Record<string, unknown>> {
  const values: Record<string, Record<string, unknown>> = {};
  for (const [key, value] of Object.entries(readObject(file))) {
    const flag = flags.find(({ attribute }) => attribute === key) ?? flags.find(({ former }) => former === key);
    if (Object.hasOwn(sections, key) && value !== null && typeof value === 'object') {
      values[key] = { ...values[key], ...presentNames(sections[key], value as Record<string, unknown>) };
    } else if (flag) {
      values[flag.section] = { ...values[flag.section], [flag.name]: value };
    } else if (!ignore.includes(key)) {
      const meant = nearest(key, [...flags.map(({ attribute }) => attribute), ...Object.keys(sections)]);
      throw new CaptionerError(
        'bad-option',
        `${file}: unknown key '${key}'.${meant ? ` Did you mean '${meant}'?` : ''}`,
      );
    }
  }
  return values;
}

function readObject(file: string): object {
  const value = readJson(file, 'The config file');
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CaptionerError('bad-input', `The config file ${file} must contain an object, {"hiddenSize": 512, …}.`);
  }
  return value;
}
