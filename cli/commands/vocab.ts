import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import {
  droppedWords,
  loadVectors,
  splitPhotos,
  tokenize,
  Vocabulary,
  VocabularyConfig,
  type ProgressReporter,
} from '../../lib/index.js';
import { addDatasetOptions, openGiven, type DatasetFlags } from '../dataset.js';
import { addConfigOptions, defineCommand, wholeNumber } from '../options.js';
import { runCommand } from '../run.js';

interface VocabOptions extends DatasetFlags {
  out?: string;
  vectors?: string;
  show: number;
  json?: true;
}

export function vocabCommand(): Command {
  const command = addDatasetOptions(
    defineCommand(
      'vocab',
      `Count the words of the training captions: which the vocabulary keeps, and which become <unk>.

Training builds the same vocabulary itself. Use this command to inspect it and to choose --min-count.`,
      [
        ['captioner vocab --data data/flickr8k', "Flickr8k's vocabulary"],
        ['captioner vocab --data my.csv --min-count 2 --out vocab.json', 'write it to a file'],
        ['captioner vocab --data my.csv --vectors wink', 'check which words have pretrained vectors'],
      ],
    ),
  )
    .option('--out <file>', 'JSON file for the vocabulary.')
    .option(
      '--vectors <source>',
      "Look up words in pretrained vectors: 'wink', or a text file in GloVe or word2vec format.",
    )
    .option('--show <n>', 'Number of the most frequent and of the dropped words to list.', wholeNumber, 20)
    .option('--json', 'Print the numbers as JSON.');
  const config = addConfigOptions(command, { vocabulary: VocabularyConfig });

  return command.action(
    runCommand(async ({ options, progress, warn }) => {
      const chosen = options as VocabOptions;
      const { out, vectors: source, show, json } = chosen;
      const { vocabulary: limits } = config.read();
      const { photos } = splitPhotos(await openGiven(chosen, warn));
      const captions = photos.filter(({ split }) => split === 'train').flatMap((photo) => photo.captions.map(tokenize));
      const vocabulary = Vocabulary.build(captions, limits);
      const dropped = droppedWords(captions, vocabulary);
      const words = vocabulary.words
        .map((word, id) => [word, vocabulary.counts[id]] as const)
        .slice(Vocabulary.SPECIALS);
      const report = {
        captions: captions.length,
        size: vocabulary.size,
        ...vocabulary.coverage,
        frequent: words.slice(0, show),
        droppedWords: dropped.length,
        dropped: dropped.slice(0, show),
        ...(source !== undefined && { vectors: await lookUp(vocabulary, dropped, source, progress, show) }),
      };
      if (out !== undefined) await writeFile(out, `${JSON.stringify(vocabulary)}\n`);
      console.log(json ? JSON.stringify(report, null, 2) : describe(report));
      if (out !== undefined && !json) console.log(`Written to ${out}.`);
    }),
  );
}

interface VectorReport {
  readonly dimension: number;
  readonly missingWords: number;
  readonly missing: readonly string[];
  /** Dropped words that are replaced by a similar known word. */
  readonly replacedWords: number;
  readonly replaced: readonly (readonly [word: string, known: string])[];
}

async function lookUp(
  vocabulary: Vocabulary,
  dropped: readonly (readonly [string, number])[],
  source: string,
  progress: ProgressReporter,
  show: number,
): Promise<VectorReport> {
  const { dimension, missing, nearestKnownWord } = await loadVectors(vocabulary, { source, progress });
  const replaced = dropped.flatMap(([word]) => {
    const known = nearestKnownWord(word);
    return known === undefined ? [] : [[word, known] as const];
  });
  return {
    dimension,
    missingWords: missing.length,
    missing: missing.slice(0, show),
    replacedWords: replaced.length,
    replaced: replaced.slice(0, show),
  };
}

interface Report {
  readonly captions: number;
  readonly size: number;
  readonly share: number;
  readonly tokens: number;
  readonly unknown: number;
  readonly frequent: readonly (readonly [string, number])[];
  readonly droppedWords: number;
  readonly dropped: readonly (readonly [string, number])[];
  readonly vectors?: VectorReport;
}

function describe({
  captions,
  size,
  share,
  tokens,
  unknown,
  frequent,
  droppedWords,
  dropped,
  vectors,
}: Report): string {
  const counted = (words: readonly (readonly [string, number])[]) =>
    words.map(([word, count]) => `${word} ${count}`).join(', ');
  const lines = [
    `${number(captions)} captions of ${number(tokens)} words`,
    `${number(size)} words in the vocabulary, including <pad> <start> <end> <unk>`,
    `${(100 * share).toFixed(2)} % of the captions' words are known, ${number(unknown)} become <unk>`,
    `most frequent: ${counted(frequent)}`,
    `${number(droppedWords)} words dropped: ${counted(dropped)}`,
  ];
  if (vectors) {
    const { dimension, missingWords, missing, replacedWords, replaced } = vectors;
    lines.push(
      `${number(size - Vocabulary.SPECIALS - missingWords)} words have a vector of ${dimension} dimensions, ${number(missingWords)} do not: ${missing.join(', ')}`,
      `${number(replacedWords)} dropped words have a similar known word: ${replaced.map((pair) => pair.join(' -> ')).join(', ')}`,
    );
  }
  return lines.join('\n');
}

function number(value: number): string {
  return value.toLocaleString('en');
}
