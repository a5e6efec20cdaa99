import type { Command } from 'commander';
import { CaptionerError, DecoderConfig, readJson, TrainingConfig, Vocabulary, VocabularyConfig } from '../lib/index.js';
import { addDatasetOptions, type DatasetFlags } from './dataset.js';
import { addConfigOptions, type ConfigOptions } from './options.js';

/** Flags that say what a captioner learns from, and from which start. */
export interface TrainFlags extends DatasetFlags {
  features: string;
  out: string;
  from?: string;
  vocabulary?: string;
}

const sections = { decoder: DecoderConfig, vocabulary: VocabularyConfig, training: TrainingConfig };

/**
 * Adds the flags of data, output, start and hyperparameters of training.
 * @param out description of `--out`.
 */
export function addTrainOptions(command: Command, out: string): Command {
  return addDatasetOptions(command)
    .requiredOption('--features <folder>', "Features of the data set's photos, from captioner extract.")
    .requiredOption('-o, --out <folder>', out)
    .option('--from <checkpoint>', "Start from a trained captioner's weights and vocabulary. Suits small data sets.")
    .option('--vocabulary <file>', 'Vocabulary from captioner vocab. (default: built from the training captions)');
}

/** Adds a flag for each hyperparameter of training. */
export function addTrainConfig(command: Command): ConfigOptions<typeof sections> {
  return addConfigOptions(command, sections);
}

/**
 * The hyperparameters that were given, and the vocabulary: a finished one, or options for building one.
 * @throws CaptionerError `bad-option`, `bad-input`.
 */
export function readTrainConfig(config: ConfigOptions<typeof sections>, file: string | undefined) {
  config.read(); // checks a config file before anything is loaded
  const given = config.given();
  if (file !== undefined && Object.keys(given.vocabulary).length > 0) {
    throw new CaptionerError(
      'bad-option',
      'Vocabulary options have no effect on a given --vocabulary. Leave one or the other out.',
    );
  }
  return { ...given, vocabulary: file === undefined ? given.vocabulary : readVocabulary(file) };
}

function readVocabulary(file: string): Vocabulary {
  const json = readJson(file, 'The vocabulary');
  try {
    return Vocabulary.fromJSON(json);
  } catch (cause) {
    throw new CaptionerError('bad-input', `${file} is not a vocabulary: ${(cause as Error).message}`, { cause });
  }
}
